using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Identity.Tests.Server.Bundles;

/// <summary>A revocation list written by hand, with whatever the base library would not write, and signed all the same.</summary>
internal sealed record RevocationListDraft
{
    public bool HasNextUpdate { get; init; } = true;

    public string? CriticalExtension { get; init; }

    public string? CriticalEntryExtension { get; init; }

    public byte[] Sign(X509Certificate2 issuer, ECDsa key, DateTimeOffset at)
    {
        var signed = new AsnWriter(AsnEncodingRules.DER);
        using (signed.PushSequence())
        {
            signed.WriteInteger(1);
            WriteAlgorithm(signed);
            signed.WriteEncodedValue(issuer.SubjectName.RawData);
            signed.WriteUtcTime(at);
            if (HasNextUpdate) signed.WriteUtcTime(at.AddDays(1));
            if (CriticalEntryExtension is { } entryExtension)
            {
                using (signed.PushSequence())
                using (signed.PushSequence())
                {
                    signed.WriteInteger(7);
                    signed.WriteUtcTime(at);
                    using (signed.PushSequence()) WriteCritical(signed, entryExtension);
                }
            }

            if (CriticalExtension is { } extension)
            {
                using (signed.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0)))
                using (signed.PushSequence()) WriteCritical(signed, extension);
            }
        }

        var body = signed.Encode();
        var whole = new AsnWriter(AsnEncodingRules.DER);
        using (whole.PushSequence())
        {
            whole.WriteEncodedValue(body);
            WriteAlgorithm(whole);
            whole.WriteBitString(key.SignData(body, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        }

        return whole.Encode();
    }

    private static void WriteAlgorithm(AsnWriter writer)
    {
        using (writer.PushSequence()) writer.WriteObjectIdentifier("1.2.840.10045.4.3.2");
    }

    private static void WriteCritical(AsnWriter writer, string oid)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            writer.WriteBoolean(true);
            writer.WriteOctetString([0x05, 0x00]);
        }
    }
}
