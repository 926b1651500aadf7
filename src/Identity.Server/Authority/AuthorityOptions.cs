using System.Collections.Frozen;
using Identity.Issuance;
using Identity.Server.Endpoints;

namespace Identity.Server.Authority;

/// <summary>What the authority makes and signs.</summary>
internal sealed record AuthorityOptions
{
    public const string Rs256AudienceSetting = "jwt-rs256-audience";

    // Each is an operator's decision about one cloud; a list longer than this is a mistake.
    private const int MaxRs256Audiences = 100;

    public static AuthorityOptions Default { get; } = new();

    /// <summary>Whether WIT-SVIDs are issued and their keys published. Their specification is Incubating, so default off.</summary>
    public bool IssuesWitSvids { get; init; }

    /// <summary>What new JWT keys are. Default <c>ec-p256</c>, which signs ES256.</summary>
    public JwtKeyType JwtKeyType { get; init; } = JwtKeyType.EcP256;

    /// <summary>
    /// A token for one of these is signed RS256, by an authority beside the other that exists as long as there are any. Compared as they are,
    /// as verifiers do. Default none.
    /// </summary>
    public FrozenSet<string> Rs256Audiences { get; init; } = FrozenSet<string>.Empty;

    /// <summary>How long authorities last.</summary>
    public AuthorityLifetimes Lifetimes { get; init; } = AuthorityLifetimes.Default;

    /// <param name="problems">Gains one line for each setting that is not valid.</param>
    public static AuthorityOptions Read(IConfiguration settings, List<string> problems)
    {
        var wit = settings["wit-svid"] ?? "false";
        if (!bool.TryParse(wit, out var issuesWitSvids)) problems.Add($"wit-svid: \"{wit}\" is neither true nor false");
        if (!JwtKeyType.TryParse(settings["jwt-key-type"] ?? JwtKeyType.EcP256.Name, out var jwtKeyType, out var problem)) problems.Add($"jwt-key-type: {problem}");
        return new AuthorityOptions
        {
            IssuesWitSvids = issuesWitSvids,
            JwtKeyType = jwtKeyType ?? JwtKeyType.EcP256,
            Rs256Audiences = ReadRs256Audiences(settings, problems),
        };
    }

    // Space around an audience is never meant, and clouds refuse the token for it without saying why.
    private static FrozenSet<string> ReadRs256Audiences(IConfiguration settings, List<string> problems)
    {
        var audiences = ServerSettings.List(settings, Rs256AudienceSetting);
        problems.AddRange(audiences
            .Where(audience => !JwtSvidIssuer.IsAudience(audience) || audience.Trim() != audience)
            .Select(audience => $"{Rs256AudienceSetting}: \"{Shown(audience)}\" is not an audience; give 1 to {JwtSvidIssuer.MaxAudienceLength} printable characters without space around them"));
        if (audiences.Count > MaxRs256Audiences) problems.Add($"{Rs256AudienceSetting}: it is given {audiences.Count} times; expected at most {MaxRs256Audiences}");
        return audiences.ToFrozenSet(StringComparer.Ordinal);
    }

    private static string Shown(string text) => string.Concat(text.Take(64).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
}
