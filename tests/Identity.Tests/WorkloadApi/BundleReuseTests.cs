using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Identity.Testing.WorkloadApi;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>What the client makes of X.509 bundles that come again with every message, or that hold what it cannot use.</summary>
public sealed class BundleReuseTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly TestAuthority _other = new("other.test");
    private FakeWorkloadApi _api = null!;
    private WorkloadApiClient _client = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeWorkloadApi.StartAsync();
        _client = new WorkloadApiClient(_api.ClientOptions());
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task A_push_that_changes_no_bundle_brings_the_very_bundles_that_were_there()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a"), _other));
        await using var watch = _client.WatchX509SvidAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());
        var first = watch.Current;
        _api.Serve(_authority.Respond(_authority.Id("/b"), _other));
        Assert.True(await watch.MoveNextAsync());

        Assert.Equal(_authority.Id("/b"), watch.Current.Default?.Id);
        Assert.Same(BundleOf(first.Bundles, _authority), BundleOf(watch.Current.Bundles, _authority));
        Assert.Same(BundleOf(first.Bundles, _other), BundleOf(watch.Current.Bundles, _other));
    }

    [Fact]
    public async Task A_push_that_adds_an_authority_keeps_what_was_learnt_of_the_others()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await using var watch = _client.WatchX509SvidAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());
        var (first, svid) = (BundleOf(watch.Current.Bundles, _authority), watch.Current.Default!);
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Leaf, svid.Intermediates, watch.Current.Bundles, TimeProvider.System.GetUtcNow()));
        Assert.Equal(1, first.X509Anchors.KnownIntermediates);

        var next = _authority.Respond(_authority.Id("/a"));
        next.Svids[0].Bundle = ByteString.CopyFrom([.. _authority.X509Bundle, .. new TestAuthority().X509Bundle]);
        _api.Serve(next);
        Assert.True(await watch.MoveNextAsync());
        var second = BundleOf(watch.Current.Bundles, _authority);
        Assert.Equal((2, 1), (second.X509Authorities.Count, second.X509Anchors.KnownIntermediates));
        Assert.Same(first.X509Anchors.All[0], second.X509Anchors.All[0]);
    }

    [Fact]
    public async Task Bundles_that_come_by_themselves_are_the_same_as_well()
    {
        var response = new X509BundlesResponse { Bundles = { [_authority.TrustDomain.Id.ToString()] = ByteString.CopyFrom(_authority.X509Bundle) } };
        _api.Serve(response);
        await using var watch = _client.WatchX509BundlesAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());
        var first = BundleOf(watch.Current, _authority);
        _api.Serve(response.Clone());
        Assert.True(await watch.MoveNextAsync());
        Assert.Same(first, BundleOf(watch.Current, _authority));
    }

    [Fact]
    [Trait("rule", "WLAPI-10")]
    public async Task An_authority_that_is_gone_from_the_next_message_is_trusted_no_more()
    {
        var both = _authority.Respond(_authority.Id("/a"));
        both.Svids[0].Bundle = ByteString.CopyFrom([.. _authority.X509Bundle, .. new TestAuthority().X509Bundle]);
        _api.Serve(both);
        await using var watch = _client.WatchX509SvidAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(2, BundleOf(watch.Current.Bundles, _authority).X509Authorities.Count);
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(_authority.X509Bundle, Assert.Single(BundleOf(watch.Current.Bundles, _authority).X509Authorities).RawData);
    }

    // The trust domain's operator is moving to keys that we do not know; until they are done, everybody goes on.
    [Fact]
    [Trait("rule", "TDB-09")]
    public async Task An_authority_with_a_key_of_unknown_kind_in_the_own_bundle_costs_nobody_the_identity()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.brainpoolP256r1);
        var request = new CertificateRequest("CN=new", key, HashAlgorithmName.SHA256);
        using var unknown = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddHours(-1), TimeProvider.System.GetUtcNow().AddHours(1));
        var response = _authority.Respond(_authority.Id("/a"));
        response.Svids[0].Bundle = ByteString.CopyFrom([.. unknown.RawData, .. _authority.X509Bundle]);
        _api.Serve(response);

        var context = await _client.FetchX509SvidAsync(Cancellation);
        Assert.Equal(_authority.Id("/a"), context.Default?.Id);
        Assert.Equal(_authority.X509Bundle, Assert.Single(BundleOf(context.Bundles, _authority).X509Authorities).RawData);

        response.Svids[0].Bundle = ByteString.CopyFrom(unknown.RawData);
        _api.Serve(response);
        var refused = await Assert.ThrowsAsync<WorkloadApiException>(() => _client.FetchX509SvidAsync(Cancellation));
        Assert.Equal(WorkloadApiFailure.MalformedResponse, refused.Failure);
        Assert.Contains("has a key of a known kind", refused.Message, StringComparison.Ordinal);
    }

    private static TrustBundle BundleOf(TrustBundleSet bundles, TestAuthority authority) =>
        bundles.TryGet(authority.TrustDomain, out var bundle) ? bundle : throw new InvalidOperationException("no bundle");
}
