using System.Text;
using Identity.Testing.Platform;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>Our SDK as the client of the Workload API that go-spiffe's own tests use: another implementation's server, encoder and certificates.</summary>
[Trait(Rule.Peer, "go-spiffe")]
public sealed class GoSpiffeFakeTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TrustDomain Home = TrustDomain.Parse("example.org");

    private readonly string _folder = Directory.CreateTempSubdirectory("identity-go-fake-").FullName;
    private readonly HttpClient _http = new();
    private ManagedProcess? _fake;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Peers.OrSkip(File.Exists(Peers.FakeWorkloadApi), Peers.HowToGetGoSpiffe);
        _fake = ManagedProcess.Start("fake-workload-api", _folder, Peers.FakeWorkloadApi, []);
        await _fake.LineAsync(line => line.StartsWith("endpoint ", StringComparison.Ordinal), Deadline, Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        if (_fake is not null) await _fake.DisposeAsync();
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-07")]
    [Trait(Rule.Trait, "WLAPI-34")]
    public async Task Both_identities_and_the_federated_bundle_are_read_and_a_rotation_replaces_them()
    {
        await using var source = await X509Source.CreateAsync(Options(), cancellation: Cancellation);
        Assert.Equal(["spiffe://example.org/first", "spiffe://example.org/second"], source.Current.Svids.Select(svid => svid.Id.ToString()));
        Assert.Equal(["one", "two"], source.Current.Svids.Select(svid => svid.Hint));
        Assert.True(source.Bundles.TryGet(TrustDomain.Parse("other.example"), out _));
        var before = Verified(source);

        await TellAsync("rotate");
        await foreach (var context in source.WatchAsync(Cancellation))
        {
            if (context.Svids.Count > 0 && Verified(source).SerialNumber != before.SerialNumber) return;
        }
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-10")]
    [Trait(Rule.Trait, "WLAPI-19")]
    public async Task What_is_withdrawn_is_used_no_more()
    {
        await using var source = await X509Source.CreateAsync(Options(), cancellation: Cancellation);
        await TellAsync("deny");
        await foreach (var context in source.WatchAsync(Cancellation))
        {
            if (context.Svids.Count == 0) break;
        }

        Assert.Throws<WorkloadApiException>(() => source.Svid);
        Assert.False(source.Bundles.TryGet(Home, out _));
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-30")]
    public async Task Its_token_is_believed_for_its_audience_and_its_key_only()
    {
        using var client = new WorkloadApiClient(Options());
        using var tokens = new JwtSource(client);
        var svid = await tokens.GetAsync("spiffe://example.org/audience", Cancellation);
        Assert.Equal("spiffe://example.org/first", svid.Id.ToString());
        Assert.True(TrustBundle.TryParseJwt(Home, Encoding.UTF8.GetBytes(Line("bundle ")), out var bundle, out var problem), problem);
        var now = TimeProvider.System.GetUtcNow();
        var bundles = new TrustBundleSet(bundle);
        Assert.Equal(svid.Id, Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(svid.Token, "spiffe://example.org/audience", bundles, now)).Id);
        var another = Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(svid.Token, "spiffe://example.org/another", bundles, now));
        Assert.Contains("is not meant for", another.Reason, StringComparison.Ordinal);
        var unknown = Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(svid.Token, "spiffe://example.org/audience", TrustBundleSet.Empty, now));
        Assert.Contains("no trust bundle", unknown.Reason, StringComparison.Ordinal);
        await Assert.ThrowsAsync<WorkloadApiException>(() => client.FetchJwtSvidsAsync(["spiffe://example.org/another"], cancellation: Cancellation));
    }

    [Fact]
    public async Task Bundles_under_a_bare_name_are_refused()
    {
        // The fake writes "example.org" where Workload API §6.2.2 has the SPIFFE ID of the trust domain.
        using var client = new WorkloadApiClient(Options());
        var refused = await Assert.ThrowsAsync<WorkloadApiException>(() => client.FetchJwtBundlesAsync(Cancellation));
        Assert.Contains("a bundle's key is unusable", refused.Message, StringComparison.Ordinal);
    }

    private static X509SvidVerification.Verified Verified(X509Source source)
    {
        var svid = source.Svid;
        return Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Leaf, svid.Intermediates, source.Bundles, TimeProvider.System.GetUtcNow()));
    }

    private async Task TellAsync(string what) => (await _http.GetAsync(new Uri($"{Line("control ")}/{what}"), Cancellation)).EnsureSuccessStatusCode();

    private WorkloadApiClientOptions Options() => new() { Endpoint = WorkloadEndpoint.Parse(Line("endpoint ")) };

    private string Line(string start) => _fake!.Lines().Single(line => line.StartsWith(start, StringComparison.Ordinal))[start.Length..];
}
