namespace Identity.Agent;

/// <summary>What may be asked as the audience of a token.</summary>
internal static class Audiences
{
    private const int Most = 16;
    private const int MaxLength = 512;

    /// <summary>Null when all is well.</summary>
    public static string? FindProblem(IReadOnlyCollection<string> audience)
    {
        if (audience.Count == 0) return "audience is empty; name at least one";
        if (audience.Count > Most) return $"audience has {audience.Count} names; at most {Most} are allowed";
        if (audience.Any(a => a.Length is 0 or > MaxLength)) return $"an audience is empty or has more than {MaxLength} characters";
        return audience.Any(a => a.Contains('\0', StringComparison.Ordinal)) ? "an audience holds a NUL character" : null;
    }
}
