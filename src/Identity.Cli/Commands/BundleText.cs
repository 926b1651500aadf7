using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Cli.Commands;

/// <summary>Trust bundles between the files people exchange and the wire.</summary>
internal static class BundleText
{
    private const int MaxFileBytes = 1 << 20;

    /// <param name="format"><c>pem</c> or <c>spiffe</c>.</param>
    public static string From(Types.Bundle bundle, string format)
    {
        if (format == "pem")
            return string.Join('\n', bundle.X509Authorities.Select(authority => PemEncoding.WriteString("CERTIFICATE", authority.Asn1.Span)));

        var problem = "";
        var jwt = new List<JwtAuthority>();
        var wit = new List<WitAuthority>();
        if (TrustDomain.TryParse(bundle.TrustDomain, out var trustDomain, out problem)
            && bundle.JwtAuthorities.All(key => JwtAuthority.TryCreate(key.KeyId, key.PublicKey.Memory, out var authority, out problem) && Add(jwt, authority))
            && bundle.WitAuthorities.All(key => WitAuthority.TryCreate(key.KeyId, key.PublicKey.Memory, out var authority, out problem) && Add(wit, authority))
            && TrustBundle.TryCreate(
                trustDomain,
                [.. bundle.X509Authorities.Select(authority => authority.Asn1.Memory)],
                jwt,
                wit,
                bundle.SequenceNumber,
                bundle.RefreshHint > 0 ? TimeSpan.FromSeconds(bundle.RefreshHint) : null,
                out var readable,
                out problem))
        {
            return Encoding.UTF8.GetString(readable.ToJson());
        }

        throw new RefusedException($"the server's bundle cannot be written as a SPIFFE bundle document: {problem}");
    }

    /// <exception cref="UsageException">The file is no bundle.</exception>
    public static Types.Bundle Read(string name, string file)
    {
        if (!TrustDomain.TryParse(name, out var trustDomain, out var problem)) throw new UsageException(problem);
        var content = ReadFile(file);
        var isJson = content.AsSpan().TrimStart(" \t\r\n"u8).StartsWith("{"u8);
        var isRead = isJson
            ? TrustBundle.TryParse(trustDomain, content, out var bundle, out problem)
            : TrustBundle.TryParsePem(trustDomain, Encoding.UTF8.GetString(content), out bundle, out problem);
        if (!isRead) throw new UsageException($"{file}: {problem}");
        var wire = new Types.Bundle
        {
            TrustDomain = name,
            SequenceNumber = bundle!.SequenceNumber ?? 0,
            RefreshHint = (long)(bundle.RefreshHint?.TotalSeconds ?? 0),
        };
        wire.X509Authorities.AddRange(bundle.X509Authorities.Select(a => new Types.X509Certificate { Asn1 = ByteString.CopyFrom(a.RawDataMemory.Span) }));
        wire.JwtAuthorities.AddRange(bundle.JwtAuthorities.Select(a =>
            new Types.JWTKey { KeyId = a.KeyId, PublicKey = ByteString.CopyFrom(a.SubjectPublicKeyInfo.Span) }));
        wire.WitAuthorities.AddRange(bundle.WitAuthorities.Select(a =>
            new Types.WITKey { KeyId = a.KeyId, PublicKey = ByteString.CopyFrom(a.SubjectPublicKeyInfo.Span) }));
        return wire;
    }

    /// <summary>At most 1 MiB.</summary>
    public static byte[] ReadFile(string file)
    {
        using var stream = OpenFile(file);
        if (stream.Length > MaxFileBytes) throw new UsageException($"{file} has {stream.Length} bytes; at most {MaxFileBytes} are expected");
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }

    private static bool Add<T>(List<T> list, T item)
    {
        list.Add(item);
        return true;
    }

    private static FileStream OpenFile(string file)
    {
        try
        {
            return File.OpenRead(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{file} cannot be read: {e.Message}");
        }
    }
}
