using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Net.Client;
using Spiffe.Net;
using Spire.Api.Server.Bundle.V1;
using Spire.Api.Server.Svid.V1;

namespace Identity.Cli.Commands;

/// <summary>A certificate the server signed for a key made here, as PEM.</summary>
internal sealed class MintedCertificate(string chain, byte[] key, string bundle)
{
    public static async Task<MintedCertificate> RequestAsync(
        GrpcChannel channel, SpiffeId id, string[] dnsNames, IPAddress[] addresses, int ttlSeconds, CancellationToken cancellation)
    {
        if (Array.Find(dnsNames, name => name.Length == 0 || name.AsSpan().ContainsAnyExceptInRange('!', '~')) is { } bad)
            throw new UsageException($"'{bad}' is not a DNS name; write one that is not ASCII in its xn-- form.");

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(new X500DistinguishedName([0x30, 0x00]), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(SubjectAlternativeName(id, dnsNames, addresses));
        var client = new SVID.SVIDClient(channel);
        var svid = await client.MintX509SVIDAsync(
            new MintX509SVIDRequest { Csr = ByteString.CopyFrom(request.CreateSigningRequest()), Ttl = ttlSeconds }, cancellationToken: cancellation);
        var bundle = await new Bundle.BundleClient(channel).GetBundleAsync(new GetBundleRequest(), cancellationToken: cancellation);
        return new(
            string.Concat(svid.Svid.CertChain.Select(certificate => Pem(certificate.Span))),
            System.Text.Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n"),
            string.Concat(bundle.X509Authorities.Select(authority => Pem(authority.Asn1.Span))));
    }

    /// <summary>Writes the three files and returns their paths. The key's file is 0600.</summary>
    public string[] Write(string directory, string chainName, string keyName, string bundleName)
    {
        string[] paths = [Path.Combine(directory, chainName), Path.Combine(directory, keyName), Path.Combine(directory, bundleName)];
        PrivateFile.Write(paths[1], key);
        CryptographicOperations.ZeroMemory(key);
        File.WriteAllText(paths[0], chain);
        File.WriteAllText(paths[2], bundle);
        return paths;
    }

    private static string Pem(ReadOnlySpan<byte> certificate) => PemEncoding.WriteString("CERTIFICATE", certificate) + "\n";

    /// <summary>RFC 5280 §4.2.1.6. Written by hand because System.Uri would rewrite the SPIFFE ID. Critical, as the subject is empty.</summary>
    private static X509Extension SubjectAlternativeName(SpiffeId id, string[] dnsNames, IPAddress[] addresses)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            foreach (var name in dnsNames)
                writer.WriteCharacterString(UniversalTagNumber.IA5String, name, new Asn1Tag(TagClass.ContextSpecific, 2));
            writer.WriteCharacterString(UniversalTagNumber.IA5String, id.ToString(), new Asn1Tag(TagClass.ContextSpecific, 6));
            foreach (var address in addresses)
                writer.WriteOctetString(address.GetAddressBytes(), new Asn1Tag(TagClass.ContextSpecific, 7));
        }
        return new X509Extension("2.5.29.17", writer.Encode(), critical: true);
    }
}
