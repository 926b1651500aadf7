using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Spiffe.Net;

/// <summary>The two ways certificates travel here: DER laid end to end (Workload API) and PEM files.</summary>
public static class DerCertificates
{
    /// <summary>Bytes of one certificate; SVIDs have about 500, large RSA roots about 2,000.</summary>
    public const int MaxCertificateLength = 16 * 1024;

    /// <summary>DER certificates laid end to end, as the Workload API carries them (SPIFFE Workload API §5.2.1). The bytes are not looked at.</summary>
    public static byte[] Concatenate(IReadOnlyList<ReadOnlyMemory<byte>> certificates)
    {
        var all = new byte[certificates.Sum(certificate => certificate.Length)];
        var offset = 0;
        foreach (var certificate in certificates)
        {
            certificate.Span.CopyTo(all.AsSpan(offset));
            offset += certificate.Length;
        }

        return all;
    }

    /// <summary>Takes apart what <see cref="Concatenate"/> lays end to end, without copying. The certificates are not looked into.</summary>
    /// <param name="concatenated">Nothing at all gives an empty list; anything that is not a whole certificate fails.</param>
    public static bool TrySplit(
        ReadOnlyMemory<byte> concatenated,
        int maxCount,
        [NotNullWhen(true)] out IReadOnlyList<ReadOnlyMemory<byte>>? certificates,
        [NotNullWhen(false)] out string? problem)
    {
        var found = new List<ReadOnlyMemory<byte>>();
        certificates = null;
        while (!concatenated.IsEmpty)
        {
            if (found.Count == maxCount)
            {
                problem = $"there are more than {maxCount} certificates";
                return false;
            }

            if (!AsnDecoder.TryReadEncodedValue(
                    concatenated.Span, AsnEncodingRules.DER, out var tag, out _, out _, out var consumed) || tag != Asn1Tag.Sequence)
            {
                problem = $"certificate {found.Count + 1} is not DER";
                return false;
            }

            if (consumed > MaxCertificateLength)
            {
                problem = $"certificate {found.Count + 1} has {consumed} bytes; at most {MaxCertificateLength} are allowed";
                return false;
            }

            found.Add(concatenated[..consumed]);
            concatenated = concatenated[consumed..];
        }

        certificates = found;
        problem = null;
        return true;
    }

    /// <summary>Reads PEM (RFC 7468); text around the blocks is passed over.</summary>
    /// <param name="pem">One or more CERTIFICATE blocks; a block of another kind, a private key above all, fails.</param>
    public static bool TryReadPem(
        ReadOnlySpan<char> pem,
        int maxCount,
        [NotNullWhen(true)] out IReadOnlyList<ReadOnlyMemory<byte>>? certificates,
        [NotNullWhen(false)] out string? problem)
    {
        var found = new List<ReadOnlyMemory<byte>>();
        certificates = null;
        while (PemEncoding.TryFind(pem, out var fields))
        {
            if (pem[fields.Label] is not "CERTIFICATE")
            {
                problem = $"PEM block {found.Count + 1} is {Quoted.From(pem[fields.Label])}; expected CERTIFICATE";
                return false;
            }

            if (found.Count == maxCount || fields.DecodedDataLength > MaxCertificateLength)
            {
                problem = $"there are more than {maxCount} certificates or one has more than {MaxCertificateLength} bytes";
                return false;
            }

            var der = new byte[fields.DecodedDataLength];
            if (!Convert.TryFromBase64Chars(pem[fields.Base64Data], der, out _))
            {
                problem = $"PEM block {found.Count + 1} is not base64";
                return false;
            }

            found.Add(der);
            pem = pem[fields.Location.End..];
        }

        certificates = found.Count > 0 ? found : null;
        problem = certificates is null ? "no PEM certificate was found; expected -----BEGIN CERTIFICATE-----" : null;
        return certificates is not null;
    }
}
