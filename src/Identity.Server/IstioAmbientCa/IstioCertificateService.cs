using System.Security.Cryptography;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Issuance;
using Identity.V1;
using Istio.V1.Auth;
using Spiffe.Net;

namespace Identity.Server.IstioAmbientCa;

/// <summary>Signs for ztunnel, waypoints and gateways over Istio's CA API: authenticate, authorize for the node, sign, answer.</summary>
internal sealed partial class IstioCertificateService(
    MeshTrustFiles files,
    IIstioCaBackend backend,
    IstioAmbientCaOptions options,
    TimeProvider time,
    ILogger<IstioCertificateService> logger) : Istio.V1.Auth.IstioCertificateService.IstioCertificateServiceBase
{
    private const string ImpersonatedIdentity = "ImpersonatedIdentity";

    // Enough for RSA-4096 with every extension anyone sends.
    private const int MaxCsrLength = 16 * 1024;

    // ztunnel renews at the middle of the lifetime, without a floor of its own: a middle in the past is a loop without end.
    private static readonly TimeSpan NearestMiddle = TimeSpan.FromMinutes(1);

    // ztunnel sets no deadline and has eight slots: one that hangs is one less.
    private static readonly TimeSpan OwnDeadline = TimeSpan.FromSeconds(10);

    // One pod for one identity: ztunnel asks again at once, without end, when a certificate is of no use to it.
    private readonly TokenBuckets<(string PodUid, SpiffeId Id)> _rate = new(time, burst: 10, TimeSpan.FromSeconds(5), maxKeys: 100_000);

    public override async Task<IstioCertificateResponse> CreateCertificate(IstioCertificateRequest request, ServerCallContext context)
    {
        // 1. Who calls?
        if (files.Read(out var problem) is not { } trust) throw Refuse(StatusCode.Unavailable, null, null, problem);
        if (BearerToken(context.RequestHeaders) is not { } token)
            throw Refuse(StatusCode.Unauthenticated, null, null, "no service account token came in the metadata 'authorization: Bearer …'");
        var caller = KubernetesServiceAccountToken.Verify(token, trust.Keys, trust.Placement.Issuer, options.Audience, time.GetUtcNow(), out problem);
        if (caller is null) throw Refuse(StatusCode.Unauthenticated, null, null, $"the service account token is refused: {problem}");

        // 2. Whose certificate may it have?
        var id = Authorize(caller, request, trust.Placement);

        // 3. For which key? Only that is taken from the request; a name in it must be the one decided on.
        var key = ReadKey(request.Csr, caller, id);
        if (!_rate.TryTake((caller.PodUid, id)))
            throw Refuse(StatusCode.ResourceExhausted, caller, id, $"{caller} asks for {id} too often; keep the certificate and renew it at half of its lifetime");

        // 4. Sign, and send what ztunnel reads: the leaf, one intermediate per element, the roots last.
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        deadline.CancelAfter(OwnDeadline);
        var signing = await backend.SignAsync(id, key, Lifetime(request.ValidityDuration), $"kubernetes:{caller.Namespace}/{caller.ServiceAccount}", deadline.Token);
        if (signing is not MeshSigning.Issued { Svid: var svid, RootsPem: var roots })
            throw Refuse(StatusCode.Unavailable, caller, id, signing is MeshSigning.Refused { Reason: var reason } ? reason : "nothing was signed");
        if (svid.NotBefore + ((svid.NotAfter - svid.NotBefore) / 2) < time.GetUtcNow() + NearestMiddle)
            throw Refuse(StatusCode.Unavailable, caller, id, $"the signing authority ends too soon for a certificate that lasts: it would end at {svid.NotAfter:O}");

        var decisionId = backend.Record(Decision(allowed: true, id, $"{caller} got a mesh certificate of {id} until {svid.NotAfter:O}"));
        Issued(id, caller.Namespace, caller.ServiceAccount, svid.SerialNumber, decisionId);
        return new IstioCertificateResponse { CertChain = { svid.Chain.Select(Pem), roots } };
    }

    private SpiffeId Authorize(KubernetesCaller caller, IstioCertificateRequest request, NodePlacement placement)
    {
        string? impersonated = null;
        if (request.Metadata?.Fields.TryGetValue(ImpersonatedIdentity, out var named) == true)
        {
            if (named.KindCase != Value.KindOneofCase.StringValue)
                throw Refuse(StatusCode.InvalidArgument, caller, null, $"the metadata {ImpersonatedIdentity} is not a string");
            impersonated = named.StringValue;
        }

        try
        {
            return MeshAuthorization.Decide(caller, impersonated, placement, backend.TrustDomain) switch
            {
                MeshAuthorization.Allowed allowed => allowed.Id,
                MeshAuthorization.Denied denied => throw Refuse(StatusCode.PermissionDenied, caller, null, denied.Reason),
                MeshAuthorization.Malformed malformed => throw Refuse(StatusCode.InvalidArgument, caller, null, malformed.Reason),
                _ => throw Refuse(StatusCode.PermissionDenied, caller, null, "no decision"),
            };
        }
        catch (FormatException)
        {
            throw Refuse(StatusCode.PermissionDenied, caller, null, "the names in the service account token do not make a SPIFFE ID");
        }
    }

    private SubjectPublicKey ReadKey(string pem, KubernetesCaller caller, SpiffeId id)
    {
        if (pem.Length > MaxCsrLength || !PemEncoding.TryFind(pem, out var fields) || pem[fields.Label] != "CERTIFICATE REQUEST")
            throw Refuse(StatusCode.InvalidArgument, caller, id, $"csr is not one PEM block CERTIFICATE REQUEST of at most {MaxCsrLength} characters");
        var der = Convert.FromBase64String(pem[fields.Base64Data]);
        if (!CertificateSigningRequest.TryParse(der, out var csr, out var problem)) throw Refuse(StatusCode.InvalidArgument, caller, id, problem);
        if (csr.UriNames.Any(uri => uri != id.ToString()))
            throw Refuse(StatusCode.InvalidArgument, caller, id, $"the certificate request names another identity than {id}, which was decided on");
        return csr.PublicKey;
    }

    private TimeSpan Lifetime(long seconds)
    {
        if (seconds <= 0) return options.DefaultLifetime;
        if (seconds >= (long)options.MaxLifetime.TotalSeconds) return options.MaxLifetime;
        return seconds <= (long)options.MinLifetime.TotalSeconds ? options.MinLifetime : TimeSpan.FromSeconds(seconds);
    }

    private static string? BearerToken(Metadata headers)
    {
        var values = headers.Where(header => header.Key == "authorization").ToList();
        return values is [{ IsBinary: false, Value: var value }] && value.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) && value.Length > 7
            ? value[7..]
            : null;
    }

    // Clients join the elements, so each ends its last line.
    private static string Pem(ReadOnlyMemory<byte> der) => PemEncoding.WriteString("CERTIFICATE", der.Span) + "\n";

    private RpcException Refuse(StatusCode status, KubernetesCaller? caller, SpiffeId? id, string reason)
    {
        var decisionId = backend.Record(Decision(allowed: false, id, reason));
        Refused(status, caller?.Namespace ?? "", caller?.ServiceAccount ?? "", decisionId);
        return new RpcException(new Grpc.Core.Status(status, $"{reason} (decision {decisionId})"));
    }

    private Decision Decision(bool allowed, SpiffeId? id, string summary) => new()
    {
        Kind = DecisionKind.MeshCertificate,
        Allowed = allowed,
        Subject = id?.ToString() ?? "",
        Summary = summary,
        DecidedAt = time.GetUtcNow().ToTimestamp(),
    };

    [LoggerMessage(Level = LogLevel.Information, Message = "Mesh certificate {Serial} of {SpiffeId} issued to {Namespace}/{ServiceAccount}; decision {DecisionId}")]
    private partial void Issued(SpiffeId spiffeId, string @namespace, string serviceAccount, string serial, string decisionId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Mesh certificate refused ({Status}) to {Namespace}/{ServiceAccount}; decision {DecisionId}")]
    private partial void Refused(StatusCode status, string @namespace, string serviceAccount, string decisionId);
}
