using System.Net;
using System.Net.Sockets;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>A server whose source has no logger of its own, while the agent is away: the host's loggers hear of it, once and in time.</summary>
public sealed class LentLoggerTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private readonly FakeLogCollector _log = new();
    private FakeWorkloadApi _api = null!;
    private X509Source _source = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeWorkloadApi.StartAsync();
        _api.Serve(_authority.Respond(_authority.Id("/server")));
    }

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task The_host_tells_that_the_agent_is_away_long_before_the_svid_expires()
    {
        await using var app = await ServeAsync(null);
        await _api.CloseAsync();
        await UntilAsync(() => Warnings().Any(warning => warning.StartsWith($"A Workload API stream ended: the Workload API at {_api.Endpoint}", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_host_that_has_stopped_is_told_nothing_any_more()
    {
        await using var app = await ServeAsync(null);
        await app.StopAsync(Cancellation);
        var before = _log.Count;
        _api.Serve(_authority.Respond(_authority.Id("/server/2")));
        await X509SourceTests.Until(_source, context => context.Default?.Id == _authority.Id("/server/2"));
        Assert.Equal(before, _log.Count);
    }

    [Fact]
    public async Task A_source_with_a_logger_of_its_own_tells_that_one_alone()
    {
        var own = new FakeLogger();
        await using var app = await ServeAsync(own);
        await _api.CloseAsync();
        await UntilAsync(() => own.Collector.GetSnapshot().Any(entry => entry.Level == LogLevel.Warning));
        Assert.DoesNotContain(_log.GetSnapshot(), entry => entry.Message.Contains("Workload API", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Connections_that_come_while_we_have_no_svid_are_one_warning_and_no_exception()
    {
        await using var app = await ServeAsync(null);
        await _api.CloseAsync();
        _clock.Advance(TimeSpan.FromHours(2));
        for (var i = 0; i < 3; i++)
        {
            await using var client = await Party.StartAsync(_authority.Respond(_authority.Id("/client")));
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, new Uri(app.Urls.First()).Port, Cancellation);
            await Assert.ThrowsAnyAsync<Exception>(
                () => SpiffeTls.ConnectAsync(new NetworkStream(socket), client.Source, AuthorizedPeers.MembersOf(_authority.TrustDomain), Cancellation));
        }

        await UntilAsync(() => _log.GetSnapshot().Count(entry => entry.Message.StartsWith("Ended a TLS connection", StringComparison.Ordinal)) == 3);
        Assert.StartsWith(
            "Ended a TLS connection: the X.509-SVID of spiffe://example.org/server expired at ",
            Assert.Single(Warnings(), warning => warning.StartsWith("Ended", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.DoesNotContain(_log.GetSnapshot(), entry => entry.Level >= LogLevel.Error || (entry.Level >= LogLevel.Information && entry.Exception is not null));
    }

    private async Task<WebApplication> ServeAsync(ILogger? own)
    {
        _source = await X509Source.CreateAsync(_api.ClientOptions(_clock, own), cancellation: Cancellation);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Debug).Services.AddSingleton<ILoggerProvider>(new FakeLoggerProvider(_log));
        builder.WebHost.UseUrls("https://127.0.0.1:0").UseSpiffeTls(_source, AuthorizedPeers.MembersOf(_authority.TrustDomain));
        var app = builder.Build();
        await app.StartAsync(Cancellation);
        return app;
    }

    private List<string> Warnings() => [.. _log.GetSnapshot().Where(entry => entry.Level == LogLevel.Warning).Select(entry => entry.Message)];

    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition()) await Task.Delay(10, Cancellation);
    }
}
