using System.Diagnostics.CodeAnalysis;
using Spiffe.Net;

namespace Identity.Server.Registration;

/// <summary>Trust domains as SPIRE's clients spell them: the bare name or, with the same meaning, <c>spiffe://</c> before it.</summary>
internal static class WireTrustDomain
{
    private const string Scheme = "spiffe://";

    public static bool TryParse(string text, [NotNullWhen(true)] out TrustDomain? trustDomain, [NotNullWhen(false)] out string? problem) =>
        TrustDomain.TryParse(text.StartsWith(Scheme, StringComparison.Ordinal) ? text[Scheme.Length..] : text, out trustDomain, out problem);
}
