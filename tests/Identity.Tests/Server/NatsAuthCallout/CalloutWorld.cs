using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Identity.Issuance;
using Identity.Policy;
using Identity.Server.NatsAuthCallout;
using NATS.NKeys;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>A trust domain with a JWT authority and registrations, as the rest of the control plane would present it; and a nats-server's side of the protocol.</summary>
internal sealed class CalloutWorld : INatsLoginBackend, IDisposable
{
    public static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");
    public static readonly SpiffeId Greeter = SpiffeId.Parse("spiffe://example.org/components/greeter");
    public static readonly SpiffeId Subscriber = SpiffeId.Parse("spiffe://example.org/subscriber");

    public const string Rules = """
        kind: CapabilityPolicy
        name: nats
        rules:
          - name: greetings
            effect: permit
            subjects:
              - spiffeId: spiffe://example.org/subscriber
              - spiffeId: spiffe://example.org/components/greeter
            capabilities:
              - natsPublish: greetings.>
              - natsSubscribe: greetings.>
        """;

    private readonly LocalAuthorityKey _jwtKey = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
    private readonly Channel<SpiffeId> _ended = Channel.CreateUnbounded<SpiffeId>();
    private readonly Channel<bool> _changed = Channel.CreateUnbounded<bool>();
    private int _decisions;

    public CalloutWorld(DateTimeOffset now)
    {
        Assert.True(JwtSigningAuthority.TryCreate(TrustDomain, _jwtKey, now.AddHours(-1), now.AddDays(1), out var authority, out var problem), problem);
        JwtIssuer = new JwtSvidIssuer(authority, IssuanceProfile.Default);
        X509 = TestX509.Create(TrustDomain, now);
        Assert.True(TrustBundle.TryCreate(TrustDomain, [X509.Authority.Root], [authority.Public], null, null, out var bundle, out problem), problem);
        Bundles = new TrustBundleSet(bundle);
        Responder = new NatsAuthCalloutResponder(Keys, TrustDomain, TimeSpan.FromHours(1));
    }

    public NatsCalloutKeys Keys { get; } = NatsCalloutKeys.Create();

    public NatsAuthCalloutResponder Responder { get; }

    public JwtSvidIssuer JwtIssuer { get; }

    public TestX509 X509 { get; }

    public TrustBundleSet Bundles { get; set; }

    /// <summary>As the ledger counts: it grows with each change of policy or registration.</summary>
    public ulong Revision { get; private set; } = 7;

    public CapabilityPolicy Policy { get; set; } = TestPolicy.Of(Rules);

    /// <summary>What the registration says; an ordinary workload when it says nothing else.</summary>
    public ConcurrentDictionary<SpiffeId, LoginStanding> Standings { get; } = [];

    public ConcurrentQueue<Identity.V1.Decision> Decisions { get; } = [];

    public ConcurrentQueue<Identity.Ledger.V1.Issuance> Intents { get; } = [];

    /// <summary>Whoever looks at what these may do fails.</summary>
    public ConcurrentDictionary<SpiffeId, bool> Faulty { get; } = [];

    /// <summary>The one that an agent reports of the greeter.</summary>
    public const string Admission = "a-1";

    public LoginFacts Facts => new(Policy, Bundles, StandingOf, Revision)
    {
        IsAdmitted = (id, admission) => id == Greeter && admission == Admission,
    };

    private LoginStanding StandingOf(SpiffeId id) =>
        Faulty.ContainsKey(id) ? throw new InvalidOperationException("cannot be evaluated")
        : Standings.TryGetValue(id, out var standing) ? standing
        : new LoginStanding.Workload();

    public string Record(Identity.V1.Decision decision)
    {
        decision.Id = $"d-{Interlocked.Increment(ref _decisions):d26}";
        Decisions.Enqueue(decision);
        return decision.Id;
    }

    public Task RecordIssuanceAsync(Identity.Ledger.V1.Issuance intent, CancellationToken cancellation)
    {
        Intents.Enqueue(intent);
        return Task.CompletedTask;
    }

    public Task<string> MintOwnTokenAsync(SpiffeId id, string audience, CancellationToken cancellation) =>
        Task.FromResult(Token(id, audience, TimeProvider.System.GetUtcNow()));

    public IAsyncEnumerable<SpiffeId> WatchEndedAsync(CancellationToken cancellation) => _ended.Reader.ReadAllAsync(cancellation);

    public async IAsyncEnumerable<LoginFacts> WatchFactsAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        yield return Facts;
        await foreach (var isWell in _changed.Reader.ReadAllAsync(cancellation)) yield return isWell ? Facts : throw new InvalidOperationException("the watch failed");
    }

    /// <summary>As when the ledger has a new state: first it is in force, then those who watch hear of it.</summary>
    public void Change(CapabilityPolicy policy)
    {
        Policy = policy;
        Revision++;
        _changed.Writer.TryWrite(true);
    }

    /// <summary>Whoever watches the facts hears of no change any more, unless they begin anew.</summary>
    public void FailWatch() => _changed.Writer.TryWrite(false);

    public void End(SpiffeId id, string reason)
    {
        Standings[id] = new LoginStanding.Refused(reason);
        _ended.Writer.TryWrite(id);
    }

    /// <summary>As an agent asks for it: of a component with its admission.</summary>
    public string Token(SpiffeId id, DateTimeOffset now) =>
        Token(id, id == Greeter ? [Responder.Audience, NatsAudience.OfAdmission(TrustDomain, Admission)] : [Responder.Audience], now);

    public string Token(SpiffeId id, string audience, DateTimeOffset now, TimeSpan? lifetime = null) => Token(id, [audience], now, lifetime);

    public string Token(SpiffeId id, string[] audiences, DateTimeOffset now, TimeSpan? lifetime = null)
    {
        var prepared = Assert.IsType<JwtSvidPreparation.Prepared>(JwtIssuer.Prepare(new JwtSvidRequest(id, audiences, lifetime), now));
        return JwtIssuer.Issue(prepared.Draft).Token;
    }

    public void Dispose()
    {
        Keys.Dispose();
        _jwtKey.Dispose();
        X509.Dispose();
    }
}

/// <summary>The nats-server's side: makes requests, opens answers.</summary>
internal sealed class FakeNatsServer : IDisposable
{
    public KeyPair Key { get; } = KeyPair.CreatePair(NKeyPrefix.Server);

    public CurveKeyPair Curve { get; } = CurveKeyPair.Create();

    public KeyPair User { get; } = KeyPair.CreatePair(NKeyPrefix.User);

    public string Request(CalloutWorld world, string? token, DateTimeOffset now, Func<string, string>? change = null)
    {
        var options = token is null ? "{}" : $$"""{"auth_token":"{{token}}","lang":"test","protocol":1}""";
        var claims = $$$"""
            {"aud":"nats-authorization-request","exp":{{{now.ToUnixTimeSeconds() + 2}}},"iat":{{{now.ToUnixTimeSeconds()}}},"iss":"{{{Key.GetPublicKey()}}}","jti":"X","sub":"{{{world.Keys.Issuer.GetPublicKey()}}}",
            "nats":{"server_id":{"name":"n","host":"127.0.0.1","id":"{{{Key.GetPublicKey()}}}","version":"2.15.1","xkey":"{{{Curve.GetPublicKey()}}}"},"user_nkey":"{{{User.GetPublicKey()}}}",
            "client_info":{"host":"127.0.0.1","id":7,"kind":"Client","type":"nats"},"connect_opts":{{{options}}},"client_tls":{"version":"1.3","cipher":"TLS_AES_128_GCM_SHA256"},"type":"authorization_request","version":2}}
            """;
        return change is null ? claims : change(claims);
    }

    public byte[] Sealed(CalloutWorld world, string claims, KeyPair? signer = null) =>
        Curve.Seal(NatsJwt.Sign(signer ?? Key, Encoding.UTF8.GetBytes(claims)), world.Keys.Curve.GetPublicKey());

    public VerifiedNatsJwt Open(CalloutWorld world, byte[] answer)
    {
        Assert.True(Curve.TryOpen(answer, world.Keys.Curve.GetPublicKey(), out var opened, out var problem), problem);
        Assert.True(NatsJwt.TryVerify(opened, out var jwt, out problem), problem);
        return jwt;
    }

    public void Dispose()
    {
        Key.Dispose();
        Curve.Dispose();
        User.Dispose();
    }
}
