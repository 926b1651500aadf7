using Identity.Policy;

namespace Identity.Fuzzing;

/// <summary>The signature section of a component that a stranger uploads, and one more signature beside those it has.</summary>
internal static class SignaturesTarget
{
    private static readonly byte[] Ours = [.. Enumerable.Repeat((byte)0xA5, ComponentSignatures.SignatureSize)];

    private static ReadOnlySpan<byte> Preamble => [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

    // A custom section without a name's worth of content.
    private static ReadOnlySpan<byte> OneSectionMore => [0, 2, 1, (byte)'x'];

    public static bool Run(byte[] input)
    {
        var read = ComponentSignatures.Read(input);
        var isTold = read is { Problem: null, IsEmpty: false };
        Invariant.Holds(read.Problem is null or { Length: > 0 and <= 4096 }, "a problem is bounded");
        Invariant.Holds(isTold == (read.Signatures.Count > 0) && isTold == (read.Hashes.Length > 0), "signatures are told with what they are over, or neither is");
        Invariant.Holds(
            read.Signatures.Count <= ComponentSignatures.MaxSignatures && read.Signatures.All(signature => signature.Length == ComponentSignatures.SignatureSize)
            && read.Hashes.Length <= 32 * ComponentSignatures.MaxParts, "there are no more, and no larger ones, than are read");
        if (isTold)
        {
            Invariant.Holds(ComponentSignatures.TryCreate(read.Hashes, read.Signatures, out var told, out _) && told.Equals(read), "what is told to another process is the same there");
            Invariant.Holds(!ComponentSignatures.Read([.. input, .. OneSectionMore]).Hashes.SequenceEqual(read.Hashes), "nothing can be added to what is signed");
        }

        if (!ComponentSignatures.TryAdd(input, Ours, out var signed, out var problem))
        {
            Invariant.Holds(problem is { Length: > 0 and <= 4096 }, "a refusal is bounded");
            return isTold;
        }

        var after = ComponentSignatures.Read(signed);
        Invariant.Holds(after.Problem is null && after.Signatures.Any(signature => signature.AsSpan().SequenceEqual(Ours)), "what was added is read");
        Invariant.Holds(read.Signatures.All(other => after.Signatures.Any(signature => signature.AsSpan().SequenceEqual(other))), "what was there is still read");
        Invariant.Holds(!isTold || after.Hashes.SequenceEqual(read.Hashes), "a signature is no part of what is signed");
        Invariant.Holds(ComponentSignatures.TryAdd(signed, Ours, out var again, out _) && again.AsSpan().SequenceEqual(signed), "the same once more changes nothing");
        Invariant.Holds(
            ComponentSignatures.TryGetMessage(input, out var before, out _) && ComponentSignatures.TryGetMessage(signed, out var now, out _) && before.AsSpan().SequenceEqual(now),
            "what the next one signs is what the last one signed");
        return true;
    }

    public static IEnumerable<(string, byte[])> Seeds()
    {
        byte[] component = [.. Preamble, .. OneSectionMore];
        yield return ("unsigned", component);
        byte[] delimiter = [0, 36, 19, .. "signature_delimiter"u8, .. new byte[16]];
        yield return ("parts", [.. component, .. delimiter, .. OneSectionMore]);
        foreach (var (name, bytes) in new[] { ("one", component), ("in-parts", [.. component, .. delimiter]) })
        {
            if (!ComponentSignatures.TryAdd(bytes, new byte[ComponentSignatures.SignatureSize], out var signed, out _)) throw new InvalidOperationException(name);
            yield return (name, signed);
            yield return ($"{name}-changed", [.. signed, .. OneSectionMore]);
            if (!ComponentSignatures.TryAdd(signed, [.. Enumerable.Repeat((byte)1, ComponentSignatures.SignatureSize)], out signed, out _)) throw new InvalidOperationException(name);
            yield return ($"{name}-two", signed);
        }

        yield return ("not-first", [.. component, 0, 10, 9, .. "signature"u8]);
        yield return ("empty-section", [.. Preamble, 0, 10, 9, .. "signature"u8]);
    }
}
