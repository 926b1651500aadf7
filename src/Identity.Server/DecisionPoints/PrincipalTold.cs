using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// A principal as somebody tells of it who enforces our answers, and whose word we therefore take. An attribute that is null was not told,
/// and is unknown unless it is among those known to be absent.
/// </summary>
internal sealed record PrincipalTold(string SpiffeId)
{
    private const int MaxName = 253;

    public string? Digest { get; init; }

    public IReadOnlyList<string>? Signers { get; init; }

    public string? Image { get; init; }

    public string? Host { get; init; }

    public string? Namespace { get; init; }

    public string? Lattice { get; init; }

    public PrincipalAttributes KnownAbsent { get; init; }

    /// <summary>Those that are told, well or badly.</summary>
    public PrincipalAttributes Attributes =>
        Attribute(Digest, PrincipalAttributes.Digest) | Attribute(Signers, PrincipalAttributes.Signer) | Attribute(Image, PrincipalAttributes.Image)
        | Attribute(Host, PrincipalAttributes.Host) | Attribute(Namespace, PrincipalAttributes.Namespace) | Attribute(Lattice, PrincipalAttributes.Lattice);

    public bool TryRead([NotNullWhen(true)] out Principal? principal, [NotNullWhen(false)] out string? problem)
    {
        principal = null;
        ComponentDigest? digest = null;
        ImageReference? image = null;
        SpiffeId? host = null;
        var signers = ImmutableArray.CreateBuilder<SignerName>();
        if (!Spiffe.Net.SpiffeId.TryParse(SpiffeId, out var id, out problem)) return false;
        if (Digest is not null && !ComponentDigest.TryParse(Digest, out digest, out problem)) return Wrong("digest", ref problem);
        if (Image is not null && !ImageReference.TryParse(Image, out image, out problem)) return Wrong("image", ref problem);
        if (Host is not null && !Spiffe.Net.SpiffeId.TryParse(Host, out host, out problem)) return Wrong("host", ref problem);
        foreach (var text in Signers ?? [])
        {
            if (!SignerName.TryParse(text, out var signer, out problem)) return Wrong("signers", ref problem);
            signers.Add(signer);
        }

        if (FindNameProblem(Namespace, "namespace") is { } wrong || (wrong = FindNameProblem(Lattice, "lattice")!) is not null)
        {
            problem = wrong;
            return false;
        }

        if ((Attributes & KnownAbsent) != 0)
        {
            problem = $"{Attributes & KnownAbsent} is told and said to be absent";
            return false;
        }

        problem = null;
        principal = new Principal
        {
            Id = id,
            Digest = digest,
            Signers = signers.ToImmutable(),
            Image = image,
            Host = host,
            Namespace = Namespace,
            Lattice = Lattice,
            Unknown = All & ~Attributes & ~KnownAbsent,
        };
        return true;
    }

    private const PrincipalAttributes All = PrincipalAttributes.Digest | PrincipalAttributes.Signer | PrincipalAttributes.Image | PrincipalAttributes.Host
        | PrincipalAttributes.Namespace | PrincipalAttributes.Lattice;

    private static PrincipalAttributes Attribute(object? value, PrincipalAttributes attribute) => value is null ? PrincipalAttributes.None : attribute;

    private static bool Wrong(string name, [NotNull] ref string? problem)
    {
        problem = $"{name}: {problem}";
        return false;
    }

    private static string? FindNameProblem(string? text, string name) =>
        text is null || (text.Length is > 0 and <= MaxName && !text.AsSpan().ContainsAnyExceptInRange('!', '~'))
            ? null
            : $"{name} is not 1 to {MaxName} printable ASCII characters without spaces";
}
