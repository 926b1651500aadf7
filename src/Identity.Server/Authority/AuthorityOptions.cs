namespace Identity.Server.Authority;

/// <summary>What the authority makes and signs.</summary>
internal sealed record AuthorityOptions
{
    public static AuthorityOptions Default { get; } = new();

    /// <summary>Whether WIT-SVIDs are issued and their keys published. Their specification is Incubating, so default off.</summary>
    public bool IssuesWitSvids { get; init; }

    /// <param name="problems">Gains one line for each setting that is not valid.</param>
    public static AuthorityOptions Read(IConfiguration settings, List<string> problems)
    {
        var wit = settings["wit-svid"] ?? "false";
        if (!bool.TryParse(wit, out var issuesWitSvids)) problems.Add($"wit-svid: \"{wit}\" is neither true nor false");
        return new AuthorityOptions { IssuesWitSvids = issuesWitSvids };
    }
}
