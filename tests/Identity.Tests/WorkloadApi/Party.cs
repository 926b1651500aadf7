using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Microsoft.Extensions.Logging.Testing;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>A process with an identity of its own: a Workload API that has only it to serve, its source, and what that logs.</summary>
internal sealed class Party : IAsyncDisposable
{
    private readonly FakeWorkloadApi _api;
    private readonly FakeLogger _logger;

    private Party(FakeWorkloadApi api, X509Source source, FakeLogger logger) => (_api, Source, _logger) = (api, source, logger);

    public X509Source Source { get; }

    public string Log => string.Join('\n', _logger.Collector.GetSnapshot().Select(entry => entry.Message));

    public static async Task<Party> StartAsync(X509SVIDResponse response, TimeProvider? clock = null)
    {
        var api = await FakeWorkloadApi.StartAsync();
        try
        {
            api.Serve(response);
            var logger = new FakeLogger();
            var source = await X509Source.CreateAsync(api.ClientOptions(clock, logger), cancellation: TestContext.Current.CancellationToken);
            return new Party(api, source, logger);
        }
        catch
        {
            await api.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns when the source has taken it.</summary>
    public Task PushAsync(X509SVIDResponse response) => ChangeAsync(() => _api.Serve(response));

    /// <summary>Takes everything away.</summary>
    public Task WithdrawAsync() => ChangeAsync(() => _api.Refuse(StatusCode.PermissionDenied));

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        await _api.DisposeAsync();
    }

    private async Task ChangeAsync(Action change)
    {
        var before = Source.Current;
        change();
        await X509SourceTests.Until(Source, context => !ReferenceEquals(context, before));
    }
}
