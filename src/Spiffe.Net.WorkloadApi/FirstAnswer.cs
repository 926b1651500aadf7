namespace Spiffe.Net.WorkloadApi;

/// <summary>The wait for what a source is of no use without. It is bounded, and whoever waited in vain learns what the endpoint said last.</summary>
internal static class FirstAnswer
{
    /// <param name="first">Completes with the first answer.</param>
    /// <param name="what">What is waited for, in words.</param>
    /// <param name="client">Whom we ask.</param>
    /// <param name="lastProblem">Why the last attempt failed; null if none did.</param>
    /// <param name="cancellation">Gives up earlier.</param>
    /// <exception cref="WorkloadApiException">It did not come.</exception>
    public static async Task WaitAsync(
        Task first, string what, WorkloadApiClient client, Func<WorkloadApiException?> lastProblem, CancellationToken cancellation)
    {
        var patience = client.Options.StartTimeout;
        try
        {
            await first.WaitAsync(patience, client.Options.TimeProvider, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            var last = lastProblem();
            throw new WorkloadApiException(
                last?.Failure ?? WorkloadApiFailure.Unavailable,
                $"no {what} within {patience.TotalSeconds:0.#} s: {last?.Message ?? $"the Workload API at {client.Endpoint} takes the call and answers nothing"}",
                (Exception?)last ?? e);
        }
        catch (OperationCanceledException) when (lastProblem() is { } last)
        {
            throw new WorkloadApiException(last.Failure, $"gave up waiting for {what}: {last.Message}", last);
        }
    }
}
