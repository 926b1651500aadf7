using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>A SPIFFE ID such as <c>spiffe://example.org/hosts/local</c>; always valid, immutable, equal by its text.</summary>
public sealed class SpiffeId : IEquatable<SpiffeId>, IParsable<SpiffeId>
{
    /// <summary>Bytes, the scheme included. SPIFFE-ID §2.3 asks for support up to here and advises against more; more is refused.</summary>
    public const int MaxLength = 2048;

    internal const string Scheme = "spiffe://";

    // SPIFFE-ID §2.2; no percent-encoding, so one ID has exactly one spelling.
    private static readonly SearchValues<char> SegmentCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

    private readonly string _text;

    private SpiffeId(string validText, TrustDomain trustDomain)
    {
        _text = validText;
        TrustDomain = trustDomain;
    }

    /// <summary>What stands between <c>spiffe://</c> and the path.</summary>
    public TrustDomain TrustDomain { get; }

    /// <summary>The path with its leading slash; empty when the ID names the trust domain itself.</summary>
    public string Path => _text[(Scheme.Length + TrustDomain.Name.Length)..];

    /// <summary>False for the ID of the trust domain itself, which no workload may carry (X509-SVID §5.2).</summary>
    public bool HasPath => _text.Length > Scheme.Length + TrustDomain.Name.Length;

    /// <summary>What the slashes of the path divide; empty for the ID of the trust domain itself. Made anew with each call.</summary>
    public IReadOnlyList<string> Segments => HasPath ? Path[1..].Split('/') : [];

    /// <summary>For constants and tests; <see cref="TryParse"/> is for input.</summary>
    /// <exception cref="FormatException">It is not a SPIFFE ID; the message says why.</exception>
    public static SpiffeId Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    /// <summary>Holds a text to every rule of SPIFFE-ID §2, byte by byte: nothing is folded, decoded or trimmed.</summary>
    /// <param name="problem">What is wrong; foreign text in it is quoted and short.</param>
    public static bool TryParse(
        string? text, [NotNullWhen(true)] out SpiffeId? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        if (string.IsNullOrEmpty(text))
        {
            problem = "the SPIFFE ID is empty; expected spiffe://<trust domain>/<path>";
            return false;
        }

        if (text.Length > MaxLength)
        {
            problem = $"the SPIFFE ID has {text.Length} characters; at most {MaxLength} are allowed";
            return false;
        }

        if (!text.StartsWith(Scheme, StringComparison.Ordinal))
        {
            problem = $"the SPIFFE ID {Quoted.From(text)} does not start with {Scheme}";
            return false;
        }

        var rest = text.AsSpan(Scheme.Length);
        var slash = rest.IndexOf('/');
        var host = slash < 0 ? rest : rest[..slash];
        problem = TrustDomain.FindProblem(host) ?? FindPathProblem(slash < 0 ? [] : rest[slash..]);
        if (problem is not null)
        {
            problem = $"the SPIFFE ID {Quoted.From(text)} is not valid: {problem}";
            return false;
        }

        value = new SpiffeId(text, new TrustDomain(host.ToString()));
        return true;
    }

    /// <summary>Joins segments below a trust domain (SPIFFE-ID §2.2).</summary>
    /// <exception cref="FormatException">A segment is not allowed.</exception>
    public static SpiffeId FromSegments(TrustDomain trustDomain, params ReadOnlySpan<string> segments)
    {
        foreach (var segment in segments)
        {
            // Checked here because a slash inside one segment would otherwise pass as two.
            if (FindSegmentProblem(segment) is { } problem) throw new FormatException(problem);
        }

        return segments.IsEmpty ? OfTrustDomain(trustDomain) : Parse($"{Scheme}{trustDomain.Name}/{string.Join('/', segments)}");
    }

    /// <summary>True when its trust domain is this one.</summary>
    public bool IsMemberOf(TrustDomain trustDomain) => TrustDomain == trustDomain;

    /// <summary>Byte by byte: SPIFFE IDs have one spelling.</summary>
    public bool Equals(SpiffeId? other) => other is not null && _text == other._text;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SpiffeId);

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    /// <summary>The whole ID, <c>spiffe://</c> included.</summary>
    public override string ToString() => _text;

    /// <summary>As <see cref="Equals(SpiffeId)"/>; true for two nulls.</summary>
    public static bool operator ==(SpiffeId? left, SpiffeId? right) => left is null ? right is null : left.Equals(right);

    /// <summary>As <see cref="Equals(SpiffeId)"/>, denied.</summary>
    public static bool operator !=(SpiffeId? left, SpiffeId? right) => !(left == right);

    static SpiffeId IParsable<SpiffeId>.Parse(string s, IFormatProvider? provider) => Parse(s);

    static bool IParsable<SpiffeId>.TryParse(string? s, IFormatProvider? provider, [MaybeNullWhen(false)] out SpiffeId result) =>
        TryParse(s, out result, out _);

    internal static SpiffeId OfTrustDomain(TrustDomain trustDomain) => new(Scheme + trustDomain.Name, trustDomain);

    private static string? FindPathProblem(ReadOnlySpan<char> path)
    {
        if (path.IsEmpty) return null;
        var segments = path[1..];
        foreach (var range in segments.Split('/'))
        {
            if (FindSegmentProblem(segments[range]) is { } problem) return problem;
        }

        return null;
    }

    private static string? FindSegmentProblem(ReadOnlySpan<char> segment)
    {
        if (segment.IsEmpty) return "its path has an empty segment or ends in '/'";
        if (segment is "." or "..") return $"its path has the segment {Quoted.From(segment)}; relative paths are not allowed";
        var bad = segment.IndexOfAnyExcept(SegmentCharacters);
        return bad < 0
            ? null
            : $"its path contains {Quoted.From(segment[bad])}; only a-z, A-Z, 0-9, '.', '-' and '_' are allowed between slashes";
    }
}
