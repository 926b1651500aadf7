using System.Formats.Asn1;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Istio.V1.Auth;

namespace Identity.Testing.Mesh;

/// <summary>What ztunnel holds after a successful call: its key, the leaf, the intermediates and the roots.</summary>
public sealed record MeshCertificate(ECDsa Key, X509Certificate2 Leaf, X509Certificate2Collection Intermediates, X509Certificate2Collection Roots);

/// <summary>
/// A CA client shaped like ztunnel's: TLS 1.3 with the server's DNS name checked against one root file, no client certificate, a bearer token, a fresh
/// P-256 key and a request with an empty subject and one critical URI SAN, and the identity in <c>metadata</c>. It accepts an answer as ztunnel does.
/// </summary>
public sealed class ZtunnelClient : IDisposable
{
    private readonly GrpcChannel channel;
    private readonly string token;

    public ZtunnelClient(Uri address, X509Certificate2Collection roots, string token)
    {
        this.token = token;
        channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                SslOptions = new SslClientAuthenticationOptions
                {
                    EnabledSslProtocols = SslProtocols.Tls13,
                    CertificateChainPolicy = ChainPolicy(roots, "1.3.6.1.5.5.7.3.1"),
                },
            },
        });
    }

    /// <summary>Asks for <paramref name="identity"/>; null asks for the token's own, without <c>ImpersonatedIdentity</c>.</summary>
    /// <exception cref="RpcException">The CA refused.</exception>
    /// <exception cref="InvalidOperationException">The answer is one that ztunnel, or its peers, would not accept; the message says why.</exception>
    public async Task<MeshCertificate> FetchAsync(
        string? identity, TimeSpan validity, CancellationToken cancellation, string? csr = null, ECDsa? key = null)
    {
        key ??= ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new IstioCertificateRequest
        {
            Csr = csr ?? Csr(key, identity),
            ValidityDuration = (long)validity.TotalSeconds,
        };
        if (identity is not null)
            request.Metadata = new Struct { Fields = { ["ImpersonatedIdentity"] = Value.ForString(identity) } };
        var headers = new Metadata { { "clusterid", "Kubernetes" } };
        if (token.Length > 0)
            headers.Add("authorization", $"Bearer {token}");
        var response = await new IstioCertificateService.IstioCertificateServiceClient(channel)
            .CreateCertificateAsync(request, headers, cancellationToken: cancellation);
        return Accept(response, identity, key);
    }

    /// <summary>RFC 2986 request: empty subject, one critical URI SAN (none when <paramref name="identity"/> is null).</summary>
    public static string Csr(ECDsa key, string? identity)
    {
        var request = new CertificateRequest(new X500DistinguishedName([0x30, 0x00]), key, HashAlgorithmName.SHA256);
        if (identity is not null)
        {
            var san = new AsnWriter(AsnEncodingRules.DER);
            using (san.PushSequence())
                san.WriteCharacterString(UniversalTagNumber.IA5String, identity, new Asn1Tag(TagClass.ContextSpecific, 6));
            request.CertificateExtensions.Add(new X509Extension("2.5.29.17", san.Encode(), critical: true));
        }
        return request.CreateSigningRequestPem() + "\n";
    }

    public void Dispose() => channel.Dispose();

    private static MeshCertificate Accept(IstioCertificateResponse response, string? identity, ECDsa key)
    {
        if (response.CertChain.Count < 2)
            throw new InvalidOperationException($"the answer has {response.CertChain.Count} elements; ztunnel needs a leaf first and the roots last.");
        var leaf = X509Certificate2.CreateFromPem(response.CertChain[0]);
        var intermediates = new X509Certificate2Collection();
        foreach (var element in response.CertChain.Skip(1).SkipLast(1))
        {
            // ztunnel reads only the first block of each element.
            intermediates.Add(X509Certificate2.CreateFromPem(element));
            if (element.Split("BEGIN CERTIFICATE").Length != 2)
                throw new InvalidOperationException("an intermediate's element holds more than one certificate; ztunnel would lose all but the first.");
        }
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(response.CertChain[^1]);
        if (response.CertChain.Any(element => !element.EndsWith('\n')))
            throw new InvalidOperationException("an element does not end with a newline; clients that concatenate them would break.");

        if (identity is not null && UriName(leaf) != identity)
            throw new InvalidOperationException($"the leaf is for '{UriName(leaf)}', not for the identity asked for.");
        if (!leaf.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(key.ExportSubjectPublicKeyInfo()))
            throw new InvalidOperationException("the leaf is for another key.");
        // As both sides of an HBONE connection would: the leaf must do for server and for client.
        foreach (var usage in new[] { "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2" })
        {
            using var chain = new X509Chain { ChainPolicy = ChainPolicy(roots, usage) };
            chain.ChainPolicy.ExtraStore.AddRange(intermediates);
            if (!chain.Build(leaf))
                throw new InvalidOperationException($"the chain does not verify: {string.Join(", ", chain.ChainStatus.Select(status => status.Status))}.");
        }
        return new(key, leaf, intermediates, roots);
    }

    private static string? UriName(X509Certificate2 certificate)
    {
        var extension = certificate.Extensions["2.5.29.17"] ?? throw new InvalidOperationException("the leaf has no subject alternative name.");
        var names = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
        while (names.HasData)
        {
            if (names.PeekTag() is { TagClass: TagClass.ContextSpecific, TagValue: 6 })
                return names.ReadCharacterString(UniversalTagNumber.IA5String, new Asn1Tag(TagClass.ContextSpecific, 6));
            names.ReadEncodedValue();
        }
        return null;
    }

    private static X509ChainPolicy ChainPolicy(X509Certificate2Collection roots, string usage)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(roots);
        policy.ApplicationPolicy.Add(new Oid(usage));
        return policy;
    }
}
