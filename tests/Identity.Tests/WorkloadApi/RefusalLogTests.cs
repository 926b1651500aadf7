using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Identity.Testing.WorkloadApi;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>What the log is told of peers that are refused, and how often.</summary>
public sealed class RefusalLogTests : IAsyncLifetime
{
    private const int Most = 64;

    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly TestAuthority _authority = new();
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private readonly FakeLogger _logger = new();
    private FakeWorkloadApi _api = null!;
    private X509Source _source = null!;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeWorkloadApi.StartAsync();
        _api.Serve(_authority.Respond(_authority.Id("/server")));
        _source = await X509Source.CreateAsync(
            new WorkloadApiClientOptions { Endpoint = _api.Endpoint, TimeProvider = _clock, Logger = _logger }, cancellation: TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        await _api.DisposeAsync();
    }

    [Fact]
    public void Peers_that_take_turns_are_each_told_once()
    {
        for (var i = 0; i < 5; i++)
        {
            Refuse("/a");
            Refuse("/b");
        }

        Assert.Equal(["/a", "/b"], Told());
    }

    [Fact]
    public void A_peer_that_goes_on_is_told_again_after_a_while()
    {
        for (var i = 0; i < 3; i++)
        {
            Refuse("/a");
            Refuse("/b");
            _clock.Advance(Quiet);
        }

        Assert.Equal(["/a", "/b", "/a", "/b", "/a", "/b"], Told());
    }

    [Fact]
    public void Strangers_with_ever_new_names_fill_no_log()
    {
        for (var round = 1; round <= 2; round++)
        {
            for (var i = 0; i < Most + 10; i++) Refuse($"/{round}/{i}");
            var warnings = Warnings();
            Assert.Equal(round * (Most + 1), warnings.Count);
            Assert.Equal(round, warnings.Count(warning => warning.StartsWith("More than 64 different refusals", StringComparison.Ordinal)));
            _clock.Advance(Quiet);
        }

        Refuse("/one/more");
        Assert.Equal("/one/more", Told()[^1]);
    }

    // The verdict of a handshake, without the handshake.
    private void Refuse(string path)
    {
        var options = SpiffeTls.ServerOptions(_source, AuthorizedPeers.Exactly(_authority.Id("/someone/else")));
        using var leaf = X509CertificateLoader.LoadCertificate(_authority.IssueX509(_authority.Id(path)).X509Svid.Span);
        Assert.False(options.RemoteCertificateValidationCallback!(this, leaf, null, SslPolicyErrors.RemoteCertificateChainErrors));
    }

    private List<string> Warnings() => [.. _logger.Collector.GetSnapshot().Where(entry => entry.Level == LogLevel.Warning).Select(entry => entry.Message)];

    private List<string> Told()
    {
        const string Before = "Refused a TLS peer: spiffe://example.org";
        return [.. Warnings().Where(warning => warning.StartsWith(Before, StringComparison.Ordinal)).Select(warning => warning[Before.Length..].Split(':', ' ')[0])];
    }
}
