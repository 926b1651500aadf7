namespace Identity.Server.Authority;

/// <summary>What the authority makes and signs.</summary>
internal sealed record AuthorityOptions
{
    public static AuthorityOptions Default { get; } = new();

    /// <summary>Whether WIT-SVIDs are issued and their keys published. Their specification is Incubating, so default off.</summary>
    public bool IssuesWitSvids { get; init; }

    /// <summary>What new JWT keys are. Default <c>ec-p256</c>, which signs ES256.</summary>
    public JwtKeyType JwtKeyType { get; init; } = JwtKeyType.EcP256;

    /// <param name="problems">Gains one line for each setting that is not valid.</param>
    public static AuthorityOptions Read(IConfiguration settings, List<string> problems)
    {
        var wit = settings["wit-svid"] ?? "false";
        if (!bool.TryParse(wit, out var issuesWitSvids)) problems.Add($"wit-svid: \"{wit}\" is neither true nor false");
        if (!JwtKeyType.TryParse(settings["jwt-key-type"] ?? JwtKeyType.EcP256.Name, out var jwtKeyType, out var problem)) problems.Add($"jwt-key-type: {problem}");
        return new AuthorityOptions { IssuesWitSvids = issuesWitSvids, JwtKeyType = jwtKeyType ?? JwtKeyType.EcP256 };
    }
}
