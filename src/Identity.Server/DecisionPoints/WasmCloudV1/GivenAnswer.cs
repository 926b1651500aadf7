namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <param name="Permitted">What the host was told last.</param>
/// <param name="ValidUntil">When that ends by itself; null when it does not.</param>
internal sealed record GivenAnswer(PolicyRequest Request, bool Permitted, DateTimeOffset? ValidUntil)
{
    /// <summary>False while the question waits for its answer.</summary>
    public bool IsOut { get; init; } = true;

    /// <summary>What to say when the host must be told again what it was told unasked; null when its question was answered so.</summary>
    public PolicyResponse? News { get; init; }
}

/// <summary>What a host must be told because it is another answer than before.</summary>
internal sealed record PolicyNews(GivenAnswer Before, GivenAnswer After, PolicyResponse Response);
