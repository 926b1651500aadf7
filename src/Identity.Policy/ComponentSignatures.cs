using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Identity.Policy.Binary;

namespace Identity.Policy;

/// <summary>
/// The Ed25519 signatures over the whole of a component that its bytes carry, and what they are over: "WebAssembly signatures" of WebAssembly/tool-conventions
/// (Signatures.md), as its implementation wasmsign2 spells it. Nothing is verified here; <see cref="VerifiedSigners"/> does. Small, so that it can be kept when
/// the bytes are gone, and tried with keys that policy names later. Equal when it says the same.
/// </summary>
public sealed class ComponentSignatures : IEquatable<ComponentSignatures>
{
    /// <summary>Of one component, over the whole of it; more make the section count as malformed.</summary>
    public const int MaxSignatures = 8;

    /// <summary>Parts that delimiters make of a component.</summary>
    public const int MaxParts = 64;

    /// <summary>Bytes.</summary>
    public const int SignatureSize = 64;

    // Domain, version of the specification, content type (modules and components alike), SHA-256.
    private static ReadOnlySpan<byte> MessageStart => "wasmsig\u0001\u0001\u0001"u8;

    private readonly byte[] _message;
    private readonly byte[][] _signatures;

    private ComponentSignatures(ReadOnlySpan<byte> hashes, byte[][] signatures, string? problem)
    {
        _message = signatures.Length == 0 ? [] : [.. MessageStart, .. hashes];
        _signatures = signatures;
        Problem = problem;
    }

    /// <summary>It carries no signature.</summary>
    public static ComponentSignatures None { get; } = new([], [], null);

    /// <summary>Why nobody can say who signed it; null when signatures tell, or there are none. Fit for a stranger.</summary>
    public string? Problem { get; }

    public bool IsEmpty => _signatures.Length == 0;

    /// <summary>SHA-256 over the bytes behind the signature section up to the end of each part, one after the other: the last is over all of them. Empty when there is no signature.</summary>
    public ReadOnlySpan<byte> Hashes => IsEmpty ? [] : _message.AsSpan(MessageStart.Length);

    public IReadOnlyList<byte[]> Signatures => _signatures;

    internal ReadOnlySpan<byte> Message => _message;

    /// <summary>Never throws: what is malformed, or covers not all of the component, becomes a <see cref="Problem"/>.</summary>
    public static ComponentSignatures Read(ReadOnlySpan<byte> component)
    {
        if (component.Length > ComponentReader.MaxComponentSize) return NotTold($"the component has {component.Length} bytes; at most {ComponentReader.MaxComponentSize} are read");
        try
        {
            return SignatureSection.TryRead(component, out var hashes, out var signatures) ? new(hashes, signatures, null) : None;
        }
        catch (MalformedComponentException malformed)
        {
            return NotTold(malformed.Message);
        }
    }

    /// <summary>What a signature over the whole of this component is over, whether it carries signatures or not.</summary>
    public static bool TryGetMessage(ReadOnlySpan<byte> component, [NotNullWhen(true)] out byte[]? message, [NotNullWhen(false)] out string? problem)
    {
        (message, problem) = (null, null);
        try
        {
            message = [.. MessageStart, .. SignatureSection.HashesOf(component)];
        }
        catch (MalformedComponentException malformed)
        {
            problem = malformed.Message;
        }

        return message is not null;
    }

    /// <summary>The component with one more signature, made over what <see cref="TryGetMessage"/> gives for it; those it carries stay as they are. The same one again changes nothing.</summary>
    /// <param name="signature"><see cref="SignatureSize"/> bytes.</param>
    public static bool TryAdd(ReadOnlySpan<byte> component, ReadOnlySpan<byte> signature, [NotNullWhen(true)] out byte[]? withIt, [NotNullWhen(false)] out string? problem)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(signature.Length, SignatureSize, nameof(signature));
        (withIt, problem) = (null, null);
        try
        {
            withIt = SignatureSection.Add(component, signature);
        }
        catch (MalformedComponentException malformed)
        {
            problem = malformed.Message;
        }

        return withIt is not null;
    }

    /// <summary>From what another process read.</summary>
    /// <param name="hashes">As <see cref="Hashes"/>.</param>
    public static bool TryCreate(
        ReadOnlySpan<byte> hashes, IReadOnlyCollection<byte[]> signatures, [NotNullWhen(true)] out ComponentSignatures? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        problem = null;
        if (signatures.Count > MaxSignatures) problem = $"{signatures.Count} signatures are told; at most {MaxSignatures} are read";
        else if (hashes.Length % SHA256.HashSizeInBytes != 0 || hashes.Length > MaxParts * SHA256.HashSizeInBytes || hashes.IsEmpty != (signatures.Count == 0))
            problem = $"the signatures are said to be over {hashes.Length} bytes of hashes; expected 1 to {MaxParts} of {SHA256.HashSizeInBytes} bytes each, and none without a signature";
        else if (signatures.FirstOrDefault(signature => signature.Length != SignatureSize) is { } other) problem = $"a signature has {other.Length} bytes; expected {SignatureSize}";
        else value = signatures.Count == 0 ? None : new(hashes, [.. signatures.Select(signature => signature.ToArray())], null);
        return value is not null;
    }

    public static ComponentSignatures NotTold(string problem) => new([], [], problem);

    public bool Equals(ComponentSignatures? other) =>
        other is not null && Problem == other.Problem && Message.SequenceEqual(other.Message) && _signatures.Length == other._signatures.Length
        && _signatures.Zip(other._signatures).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));

    public override bool Equals(object? obj) => Equals(obj as ComponentSignatures);

    public override int GetHashCode()
    {
        var code = new HashCode();
        code.Add(Problem);
        foreach (var signature in _signatures) code.AddBytes(signature);
        return code.ToHashCode();
    }
}
