using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Identity.Policy.Binary;

/// <summary>
/// Reads the custom section <c>signature</c> (tool-conventions, Signatures.md, "Signature data"; a set of hashes and a signature have their length before
/// them, as wasmsign2 writes it) and hashes what it speaks of. Only signatures over the whole of the component count: their hashes must be those of the bytes
/// behind the section up to the end of each part, no more and no fewer. So nothing can be added, left out, or put elsewhere. The first eight bytes of the file
/// are not covered; they are the same in every component that is read.
/// </summary>
internal static class SignatureSection
{
    // Of the section's content. Eight signatures with key ids over 64 parts take less than 4 KiB.
    private const int MaxBytes = 16 << 10;
    private const int MaxSets = 64;
    private const int MaxKeyId = 256;
    private const int MaxOtherSignature = 8 << 10;
    private const int DelimiterSize = 16;
    private const byte Custom = 0;
    private const byte Version = 1;
    private const byte WebAssembly = 1;
    private const byte Sha256 = 1;
    private const byte Ed25519 = 1;

    private static ReadOnlySpan<byte> Name => "signature"u8;

    private static ReadOnlySpan<byte> DelimiterName => "signature_delimiter"u8;

    /// <returns>False when the component carries no signature section.</returns>
    /// <exception cref="MalformedComponentException">It carries something that tells no signer.</exception>
    public static bool TryRead(ReadOnlySpan<byte> component, [NotNullWhen(true)] out byte[]? hashes, [NotNullWhen(true)] out byte[][]? signatures)
    {
        (hashes, signatures) = (null, null);
        if (!TryTakeSection(component, out var section, out var signed))
        {
            FindParts(signed);
            return false;
        }

        var sets = ReadSets(section);
        hashes = HashParts(signed, FindParts(signed));
        foreach (var (over, by, _) in sets)
        {
            if (!over.AsSpan().SequenceEqual(hashes)) continue;
            signatures = by;
            return signatures.Length > 0 ? true : throw new MalformedComponentException("none of its signatures is of the algorithm Ed25519");
        }

        throw new MalformedComponentException("its signatures are not over the whole of it, as it is now");
    }

    /// <summary>The hashes of what a signature covers: everything behind the preamble and the signature section.</summary>
    /// <exception cref="MalformedComponentException">Its sections cannot be told apart, or there is a signature section among them.</exception>
    public static byte[] HashesOf(ReadOnlySpan<byte> component)
    {
        TryTakeSection(component, out _, out var signed);
        return HashParts(signed, FindParts(signed));
    }

    /// <summary>The component with one more signature over the whole of it. Those of others stay as they are: of other algorithms, over parts, with names of keys.</summary>
    /// <exception cref="MalformedComponentException">Its signature section cannot be read, or no more would be.</exception>
    public static byte[] Add(ReadOnlySpan<byte> component, ReadOnlySpan<byte> signature)
    {
        var hasSection = TryTakeSection(component, out var section, out var signed);
        var hashes = HashParts(signed, FindParts(signed));
        var sets = hasSection ? ReadSets(section) : [];
        var whole = sets.FindIndex(set => set.Hashes.AsSpan().SequenceEqual(hashes));
        if (whole < 0) (whole, sets) = (sets.Count, [.. sets, new(hashes, [], [])]);
        var bytes = signature.ToArray();
        if (!sets[whole].Signatures.Any(other => other.AsSpan().SequenceEqual(bytes)))
        {
            // No key id, the algorithm, and the signature with its length.
            sets[whole] = sets[whole] with { Written = [.. sets[whole].Written, [0, Ed25519, .. Counted(bytes)]] };
        }

        if (sets.Count > MaxSets) throw new MalformedComponentException($"its signatures are over {sets.Count - 1} sets of hashes; no more are read");
        if (sets[whole].Written.Length > ComponentSignatures.MaxSignatures) throw new MalformedComponentException($"it has {sets[whole].Written.Length - 1} signatures already; no more are read");
        byte[] content =
        [
            Version, WebAssembly, Sha256, .. Number(sets.Count),
            .. sets.SelectMany(set => Counted([.. Number(set.Hashes.Length / SHA256.HashSizeInBytes), .. set.Hashes, .. Number(set.Written.Length), .. set.Written.SelectMany(Counted)])),
        ];
        if (content.Length > MaxBytes) throw new MalformedComponentException($"its signature section would have {content.Length} bytes; at most {MaxBytes} are read");
        return [.. component[..ComponentReader.ComponentPreamble.Length], Custom, .. Counted([.. Counted(Name.ToArray()), .. content]), .. signed];
    }

    // Nothing signs the section itself, so it has one spelling.
    private static bool TryTakeSection(ReadOnlySpan<byte> component, out ReadOnlySpan<byte> content, out ReadOnlySpan<byte> signed)
    {
        if (!component.StartsWith(ComponentReader.ComponentPreamble)) throw new MalformedComponentException("this is no component");
        content = default;
        signed = component[ComponentReader.ComponentPreamble.Length..];
        var reader = new ByteReader(signed);
        var ahead = reader;
        if (ahead.IsAtEnd || ahead.Byte() != Custom) return false;
        var named = new ByteReader(ahead.Bytes(ahead.Unsigned()));
        if (!named.Bytes(named.Unsigned()).SequenceEqual(Name)) return false;

        reader.Byte();
        var section = new ByteReader(reader.Bytes(reader.Minimal()));
        section.Bytes(section.Minimal());
        content = section.Rest;
        signed = reader.Rest;
        return true;
    }

    private static List<HashedSet> ReadSets(ReadOnlySpan<byte> content)
    {
        if (content.Length > MaxBytes) throw new MalformedComponentException($"its signature section has {content.Length} bytes; at most {MaxBytes} are read");
        var reader = new ByteReader(content);
        if (reader.Byte() is var version and not Version) throw new MalformedComponentException($"its signature section is of version {version}; expected {Version}");
        if (reader.Byte() is var type and not WebAssembly) throw new MalformedComponentException($"its signature section is for content of type {type}; expected {WebAssembly}");
        if (reader.Byte() is var hash and not Sha256) throw new MalformedComponentException($"its signatures are over hashes of kind {hash}; expected {Sha256}, SHA-256");
        var sets = new List<HashedSet>();
        for (var left = Count(ref reader, MaxSets, "sets of hashes"); left > 0; left--)
        {
            var set = ReadSet(new ByteReader(reader.Bytes(reader.Minimal())));
            if (sets.Exists(other => other.Hashes.AsSpan().SequenceEqual(set.Hashes))) throw new MalformedComponentException("its signature section has the same hashes twice");
            sets.Add(set);
        }

        RequireEnd(reader);
        return sets;
    }

    private static HashedSet ReadSet(ByteReader reader)
    {
        var hashes = reader.Bytes(SHA256.HashSizeInBytes * Count(ref reader, ComponentSignatures.MaxParts, "hashes")).ToArray();
        var signatures = new List<byte[]>();
        var written = new List<byte[]>();
        for (var left = Count(ref reader, ComponentSignatures.MaxSignatures, "signatures over the same hashes"); left > 0; left--)
        {
            var one = reader.Bytes(reader.Minimal());
            written.Add(one.ToArray());
            if (ReadSignature(new ByteReader(one)) is not { } signature) continue;
            if (signatures.Exists(other => other.AsSpan().SequenceEqual(signature))) throw new MalformedComponentException("its signature section has the same signature twice");
            signatures.Add(signature);
        }

        RequireEnd(reader);
        return new(hashes, [.. signatures], [.. written]);
    }

    /// <returns>Null when it is of another algorithm, for others to verify.</returns>
    private static byte[]? ReadSignature(ByteReader reader)
    {
        // What a key is called proves nothing.
        var keyId = reader.Minimal();
        if (keyId > MaxKeyId) throw new MalformedComponentException($"the name of a key in its signature section has {keyId} bytes; at most {MaxKeyId} are read");
        reader.Bytes(keyId);
        var algorithm = reader.Byte();
        var length = reader.Minimal();
        if (algorithm == Ed25519 ? length != ComponentSignatures.SignatureSize : length > MaxOtherSignature)
            throw new MalformedComponentException($"a signature of algorithm {algorithm} has {length} bytes");
        var signature = reader.Bytes(length);
        RequireEnd(reader);
        return algorithm == Ed25519 ? signature.ToArray() : null;
    }

    /// <summary>Where each part ends, its delimiter included; the last part may have none.</summary>
    private static List<int> FindParts(ReadOnlySpan<byte> sections)
    {
        var ends = new List<int>();
        var reader = new ByteReader(sections);
        var isOpen = true;
        while (!reader.IsAtEnd)
        {
            isOpen = true;
            var id = reader.Byte();
            var section = new ByteReader(reader.Bytes(reader.Unsigned()));
            if (id != Custom) continue;
            var name = section.Bytes(section.Unsigned());
            if (name.SequenceEqual(Name)) throw new MalformedComponentException("it has a signature section that is not its first section");
            if (!name.SequenceEqual(DelimiterName)) continue;
            if (section.Rest.Length != DelimiterSize) throw new MalformedComponentException($"a delimiter of its parts has {section.Rest.Length} bytes; expected {DelimiterSize}");
            if (ends.Count == ComponentSignatures.MaxParts) throw new MalformedComponentException($"it has more than {ComponentSignatures.MaxParts} parts");
            ends.Add(sections.Length - reader.Rest.Length);
            isOpen = false;
        }

        if (isOpen) ends.Add(sections.Length);
        return ends.Count <= ComponentSignatures.MaxParts ? ends : throw new MalformedComponentException($"it has more than {ComponentSignatures.MaxParts} parts");
    }

    private static byte[] HashParts(ReadOnlySpan<byte> sections, List<int> ends)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var hashes = new byte[ends.Count * SHA256.HashSizeInBytes];
        var from = 0;
        for (var i = 0; i < ends.Count; i++)
        {
            hash.AppendData(sections[from..ends[i]]);
            hash.GetCurrentHash(hashes.AsSpan(i * SHA256.HashSizeInBytes));
            from = ends[i];
        }

        return hashes;
    }

    private static uint Count(ref ByteReader reader, int most, string what)
    {
        var count = reader.Minimal();
        return count > 0 && count <= most ? count : throw new MalformedComponentException($"its signature section has {count} {what}; expected 1 to {most}");
    }

    private static byte[] Counted(byte[] bytes) => [.. Number(bytes.Length), .. bytes];

    private static List<byte> Number(int value)
    {
        var bytes = new List<byte>();
        for (; value > 0x7f; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return bytes;
    }

    private static void RequireEnd(in ByteReader reader)
    {
        if (!reader.IsAtEnd) throw new MalformedComponentException("bytes are left over in its signature section");
    }

    /// <param name="Hashes">One after the other.</param>
    /// <param name="Signatures">Those of the algorithm Ed25519.</param>
    /// <param name="Written">All of them, each as it is spelled behind its length.</param>
    private readonly record struct HashedSet(byte[] Hashes, byte[][] Signatures, byte[][] Written);
}
