using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using Google.Protobuf;
using Grpc.Core;
using Identity.V1;

namespace Identity;

/// <summary>
/// Large policy documents go to all agents at once, and what that costs is their bytes, so they are compressed: once for all who were told the same before. An agent says with
/// its call that it can read them; one of before says nothing and is told them as they are. Compiled into server and agent.
/// </summary>
internal static class PackedDocuments
{
    /// <summary>Metadata of a Subscribe call: what the agent can unpack.</summary>
    public const string AcceptHeader = "identity-accept-packed";

    public const string Brotli = "br";

    /// <summary>Documents that are shorter together go as they are: the rest of a snapshot is some KiB as well.</summary>
    public const int WorthPacking = 16 << 10;

    // As much as an agent takes of what is not packed. It is allocated before it is read.
    private const int MaxBytes = 256 << 20;

    // A tenth of what rules are as text, in a few milliseconds for a hundred KiB; the next steps cost more than they save.
    private const int Quality = 4;
    private const int Window = 22;

    public static bool AreAcceptedBy(Metadata call) => call.GetValue(AcceptHeader) == Brotli;

    /// <summary>Packs its documents where that makes it shorter.</summary>
    public static void Pack(PolicySnapshot policy)
    {
        var documents = new PolicySnapshot { Documents = { policy.Documents } };
        var size = documents.CalculateSize();
        if (size < WorthPacking) return;
        var packed = new byte[size];
        if (!BrotliEncoder.TryCompress(documents.ToByteArray(), packed, out var written, Quality, Window)) return;
        policy.Documents.Clear();
        policy.PackedDocuments = ByteString.CopyFrom(packed.AsSpan(0, written));
        policy.UnpackedSize = (uint)size;
    }

    /// <summary>The documents by name, packed or not.</summary>
    public static bool TryRead(
        PolicySnapshot policy, [NotNullWhen(true)] out IReadOnlyCollection<KeyValuePair<string, string>>? documents, [NotNullWhen(false)] out string? problem)
    {
        (documents, problem) = (policy.Documents, null);
        if (policy.PackedDocuments.IsEmpty && policy.UnpackedSize == 0) return true;
        documents = null;
        if (policy.Documents.Count > 0 || policy.UnpackedSize is 0 or > MaxBytes)
        {
            problem = $"it has {policy.Documents.Count} documents beside packed ones of {policy.UnpackedSize} bytes; expected none, and 1 to {MaxBytes} bytes";
            return false;
        }

        var bytes = new byte[policy.UnpackedSize];
        if (!BrotliDecoder.TryDecompress(policy.PackedDocuments.Span, bytes, out var written) || written != bytes.Length)
        {
            problem = $"its packed documents are not {policy.UnpackedSize} bytes in Brotli";
            return false;
        }

        try
        {
            documents = PolicySnapshot.Parser.ParseFrom(bytes).Documents;
            return true;
        }
        catch (InvalidProtocolBufferException)
        {
            problem = "its packed documents are no documents";
            return false;
        }
    }
}
