using System.Text;
using BenchmarkDotNet.Attributes;
using Identity.Issuance;
using Identity.Policy;
using Identity.Server.NatsAuthCallout;
using NATS.NKeys;
using Spiffe.Net;

namespace Identity.Benchmarks.NatsAuthCallout;

/// <summary>How many NATS logins does one core decide, and what do they cost beyond the cryptography that the protocol demands?</summary>
[MemoryDiagnoser]
public class AnswerAuthCallout
{
    private const string Rules = """
        kind: CapabilityPolicy
        name: nats
        rules:
          - name: greetings
            effect: permit
            subjects:
              - spiffeId: spiffe://example.org/subscriber
            capabilities:
              - natsPublish: greetings.>
        """;

    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly NatsCalloutKeys _keys = NatsCalloutKeys.Create();
    private readonly KeyPair _server = KeyPair.CreatePair(NKeyPrefix.Server);
    private readonly CurveKeyPair _curve = CurveKeyPair.Create();
    private readonly byte[] _signature = new byte[KeyPair.SignatureLength];
    private readonly byte[] _requestSignature = new byte[KeyPair.SignatureLength];
    private NatsAuthCalloutResponder _responder = null!;
    private LoginFacts _facts = null!;
    private string _token = "";
    private byte[] _request = [];
    private byte[] _sealed = [];

    [GlobalSetup]
    public void MakeRequest()
    {
        var trustDomain = TrustDomain.Parse("example.org");
        if (!JwtSigningAuthority.TryCreate(trustDomain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddDays(-1), Now.AddDays(1), out var authority, out var problem)
            || !TrustBundle.TryCreate(trustDomain, [], [authority.Public], null, null, out var bundle, out problem))
            throw new InvalidOperationException(problem);
        if (!PolicyParser.TryParse(Rules, out var document, out var problems)) throw new InvalidOperationException(string.Join('\n', problems));

        _responder = new NatsAuthCalloutResponder(_keys, trustDomain, TimeSpan.FromHours(1));
        _facts = new LoginFacts(CapabilityPolicy.Create([document], 1), new TrustBundleSet(bundle), _ => new LoginStanding.Workload(), 1);
        var issuer = new JwtSvidIssuer(authority, IssuanceProfile.Default);
        var draft = ((JwtSvidPreparation.Prepared)issuer.Prepare(new JwtSvidRequest(SpiffeId.Parse("spiffe://example.org/subscriber"), [_responder.Audience]), Now)).Draft;
        _token = issuer.Issue(draft).Token;
        using var user = KeyPair.CreatePair(NKeyPrefix.User);
        _request = NatsJwt.Sign(_server, Encoding.UTF8.GetBytes($$$"""
            {"aud":"nats-authorization-request","exp":{{{Now.ToUnixTimeSeconds() + 2}}},"iss":"{{{_server.GetPublicKey()}}}","sub":"{{{_keys.Issuer.GetPublicKey()}}}",
            "nats":{"server_id":{"id":"{{{_server.GetPublicKey()}}}","xkey":"{{{_curve.GetPublicKey()}}}"},"user_nkey":"{{{user.GetPublicKey()}}}",
            "client_info":{"kind":"Client","type":"nats"},"connect_opts":{"auth_token":"{{{_token}}}"},"client_tls":{"version":"1.3"},"type":"authorization_request","version":2}}
            """));
        _server.Sign(_request, _requestSignature);
        _sealed = _curve.Seal(_request, _keys.Curve.GetPublicKey());
    }

    /// <summary>What no responder can leave out: open, verify the request, verify the JWT-SVID, sign the user and the response, seal.</summary>
    [Benchmark(Baseline = true, Description = "the cryptography alone")]
    public byte[] Floor()
    {
        _keys.Curve.TryOpen(_sealed, _curve.GetPublicKey(), out var opened, out _);
        _server.Verify(opened, _requestSignature);
        _ = JwtSvidVerifier.Verify(_token, _responder.Audience, _facts.Bundles, Now);
        _keys.Issuer.Sign(_request, _signature);
        _keys.Issuer.Sign(_request, _signature);
        return _keys.Curve.Seal(_request, _curve.GetPublicKey());
    }

    [Benchmark(Description = "judge and admit")]
    public byte[] Answer() =>
        _responder.Admit((CalloutJudgement.Admitted)_responder.Judge(_sealed, _curve.GetPublicKey(), _facts, Now, jitter: 0));
}
