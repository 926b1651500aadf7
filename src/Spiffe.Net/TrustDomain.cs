using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>The name of a trust domain, such as <c>example.org</c>; always valid, compared byte by byte.</summary>
public sealed class TrustDomain : IEquatable<TrustDomain>, IParsable<TrustDomain>
{
    /// <summary>Bytes of a name (SPIFFE-ID §2.3, after the host limit of RFC 3986).</summary>
    public const int MaxLength = 255;

    // SPIFFE-ID §2.1. Uppercase is refused, not folded: §2.4 calls names case-insensitive, but every peer rejects it.
    private static readonly SearchValues<char> AllowedCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789.-_");

    internal TrustDomain(string validName) => Name = validName;

    /// <summary>Without <c>spiffe://</c>.</summary>
    public string Name { get; }

    /// <summary>The trust domain as a SPIFFE ID without a path: the name its signing authority carries.</summary>
    public SpiffeId Id => SpiffeId.OfTrustDomain(this);

    /// <summary>For constants and tests; <see cref="TryParse"/> is for input.</summary>
    /// <exception cref="FormatException">It is not the name of a trust domain; the message says why.</exception>
    public static TrustDomain Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    /// <summary>Holds a text to SPIFFE-ID §2.1, byte by byte.</summary>
    /// <param name="text">The bare name; <c>spiffe://</c> in front is refused so that there is one way to write it.</param>
    public static bool TryParse(
        string? text, [NotNullWhen(true)] out TrustDomain? value, [NotNullWhen(false)] out string? problem)
    {
        problem = FindProblem(text);
        value = problem is null ? new TrustDomain(text!) : null;
        return value is not null;
    }

    /// <summary>Byte by byte: upper case is refused, not folded.</summary>
    public bool Equals(TrustDomain? other) => other is not null && Name == other.Name;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as TrustDomain);

    /// <inheritdoc/>
    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    /// <summary>The bare name.</summary>
    public override string ToString() => Name;

    /// <summary>As <see cref="Equals(TrustDomain)"/>; true for two nulls.</summary>
    public static bool operator ==(TrustDomain? left, TrustDomain? right) => left is null ? right is null : left.Equals(right);

    /// <summary>As <see cref="Equals(TrustDomain)"/>, denied.</summary>
    public static bool operator !=(TrustDomain? left, TrustDomain? right) => !(left == right);

    static TrustDomain IParsable<TrustDomain>.Parse(string s, IFormatProvider? provider) => Parse(s);

    static bool IParsable<TrustDomain>.TryParse(string? s, IFormatProvider? provider, [MaybeNullWhen(false)] out TrustDomain result) =>
        TryParse(s, out result, out _);

    internal static string? FindProblem(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty) return "the trust domain is empty; expected a name such as example.org";
        if (name.Length > MaxLength) return $"the trust domain has {name.Length} characters; at most {MaxLength} are allowed";
        if (name.StartsWith(SpiffeId.Scheme)) return $"{Quoted.From(name)} is not a bare trust domain name; leave out spiffe://";
        var bad = name.IndexOfAnyExcept(AllowedCharacters);
        return bad < 0
            ? null
            : $"the trust domain {Quoted.From(name)} contains {Quoted.From(name[bad])}; only a-z, 0-9, '.', '-' and '_' are allowed";
    }
}
