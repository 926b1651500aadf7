namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <param name="Permitted">What the host was told last.</param>
/// <param name="ValidUntil">When that ends by itself; null when it does not.</param>
internal sealed record GivenAnswer(PolicyRequest Request, bool Permitted, DateTimeOffset? ValidUntil)
{
    /// <summary>False while the question waits for its answer.</summary>
    public bool IsOut { get; init; } = true;

    /// <summary>Of a question that waits: there was no room for a yes when it came.</summary>
    public bool IsForNo { get; init; }

    /// <summary>When it was decided.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>What to say when the host must be told again what it was told unasked; null when its question was answered so.</summary>
    public PolicyResponse? News { get; init; }
}

/// <summary>What a host must be told because it is another answer than before.</summary>
internal sealed record PolicyNews(GivenAnswer Before, GivenAnswer After, PolicyResponse Response);
