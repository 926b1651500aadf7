using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>The Bundle Map of SPIFFE Trust Domain and Bundle §5.1.1: several bundle documents, keyed by the bare names of their trust domains.</summary>
internal static class TrustBundleMap
{
    private const string Members = "trust_domains";

    /// <summary>All or nothing: one bundle that cannot be read refuses the map, so that nobody goes on with half of it (appendix B.1).</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out TrustBundleSet? bundles, [NotNullWhen(false)] out string? problem)
    {
        bundles = null;
        if (json.Length > TrustBundleSet.MaxMapLength)
        {
            problem = $"the bundle map has {json.Length} bytes; at most {TrustBundleSet.MaxMapLength} are allowed";
            return false;
        }

        // Refuses a trust domain that is there twice (§6.3), as every member.
        if (!StrictJson.TryParseObject(json, out var document))
        {
            problem = "the bundle map is not a JSON object of Unicode text, or has a member twice";
            return false;
        }

        using (document)
        {
            problem = Read(document.RootElement, out bundles);
            return bundles is not null;
        }
    }

    public static byte[] Write(TrustBundleSet bundles)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject(Members);
            foreach (var bundle in bundles.Bundles.OrderBy(b => b.TrustDomain.Name, StringComparer.Ordinal))
            {
                json.WritePropertyName(bundle.TrustDomain.Name);
                TrustBundleJson.Write(json, bundle, TrustBundleJson.Use.MapMember);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static string? Read(JsonElement root, out TrustBundleSet? bundles)
    {
        bundles = null;
        if (!root.TryGetProperty(Members, out var members) || members.ValueKind is not JsonValueKind.Object)
            return $"the bundle map has no object \"{Members}\"";
        if (members.GetPropertyCount() > TrustBundleSet.MaxTrustDomains)
            return $"the bundle map has {members.GetPropertyCount()} trust domains; at most {TrustBundleSet.MaxTrustDomains} are allowed";
        List<TrustBundle> read = [];
        foreach (var member in members.EnumerateObject())
        {
            // §5.1.1: the name, not the SPIFFE ID of the trust domain.
            if (!TrustDomain.TryParse(member.Name, out var trustDomain, out var flaw)) return $"the bundle map's member {Quoted.From(member.Name)}: {flaw}";
            if (member.Name != trustDomain.Name) return $"the bundle map's member {Quoted.From(member.Name)} is not the bare name of a trust domain";
            if (member.Value.ValueKind is not JsonValueKind.Object) return $"the bundle map's member {Quoted.From(member.Name)} is not an object";
            if (!TrustBundleJson.TryRead(trustDomain, member.Value, TrustBundleJson.Use.MapMember, out var bundle, out flaw)) return flaw;
            read.Add(bundle);
        }

        bundles = new TrustBundleSet(read);
        return null;
    }
}
