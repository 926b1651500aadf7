using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

public sealed class X509SourceTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private FakeWorkloadApi _api = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _api = await FakeWorkloadApi.StartAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task Waits_for_its_first_identity()
    {
        var creating = X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation);
        Assert.False(creating.IsCompleted);
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await using var source = await creating;
        Assert.Equal(_authority.Id("/a"), source.Svid.Id);
    }

    [Fact]
    public async Task Explains_what_it_waited_for_in_vain()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => X509Source.CreateAsync(_api.ClientOptions(), cancellation: patience.Token));
        Assert.Equal(WorkloadApiFailure.NoIdentity, e.Failure);
        Assert.Contains("no identity", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gives_up_by_itself_and_says_what_the_endpoint_said()
    {
        _api.Refuse(StatusCode.PermissionDenied, "no registration entry fits this process");
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => X509Source.CreateAsync(Impatient(), cancellation: Cancellation));
        Assert.Equal(WorkloadApiFailure.NoIdentity, e.Failure);
        Assert.StartsWith("no X.509-SVID within 2 s: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("\"no registration entry fits this process\"", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gives_up_by_itself_where_nobody_listens()
    {
        await _api.CloseAsync();
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => X509Source.CreateAsync(Impatient(), cancellation: Cancellation));
        Assert.Equal(WorkloadApiFailure.Unavailable, e.Failure);
        Assert.Contains($"no X.509-SVID within 2 s: the Workload API at {_api.Endpoint} is not reachable", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gives_up_by_itself_where_no_identity_is_picked()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => X509Source.CreateAsync(Impatient(), all => all.FindByHint("internal"), Cancellation));
        Assert.Equal("no X.509-SVID within 2 s: none of the identities that the Workload API has for this process was picked", e.Message);
    }

    [Fact]
    public void Waits_half_a_minute_unless_told_otherwise() => Assert.Equal(TimeSpan.FromSeconds(30), new WorkloadApiClientOptions().StartTimeout);

    [Theory]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.Unimplemented)]
    public async Task Gives_up_at_once_where_waiting_is_pointless(StatusCode status)
    {
        _api.Refuse(status);
        await Assert.ThrowsAsync<WorkloadApiException>(() => X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation));
    }

    [Fact]
    public async Task Rotates_as_pushed_without_being_asked()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation);
        var before = source.Svid;
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await Until(source, context => context.Default is { } svid && svid.Leaf.SerialNumber != before.Leaf.SerialNumber);
        Assert.NotSame(before, source.Svid);
    }

    [Fact]
    public async Task Takes_its_identity_from_beside_a_foreign_bundle_of_any_size()
    {
        var response = _authority.Respond(_authority.Id("/a"));
        response.FederatedBundles["spiffe://huge.example"] = Google.Protobuf.ByteString.CopyFrom(new byte[6 << 20]);
        _api.Serve(response);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(), cancellation: patience.Token);
        Assert.Equal(_authority.TrustDomain, Assert.Single(source.Bundles.Bundles).TrustDomain);
    }

    [Trait("rule", "WLAPI-19")]
    [Fact]
    public async Task Drops_all_material_when_it_is_withdrawn_and_takes_it_up_again()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation);

        _api.Refuse(StatusCode.PermissionDenied);
        await Until(source, context => context.Svids.Count == 0);
        var e = Assert.Throws<WorkloadApiException>(() => source.Svid);
        Assert.Equal(WorkloadApiFailure.NoIdentity, e.Failure);
        Assert.Empty(source.Bundles.Bundles);

        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await Until(source, context => context.Svids.Count == 1);
        Assert.Equal(_authority.Id("/a"), source.Svid.Id);
    }

    [Theory]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.Unimplemented)]
    public async Task Has_nothing_and_trusts_nobody_once_no_more_will_come(StatusCode status)
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation);

        _api.Refuse(status);
        await Until(source, context => context.Svids.Count == 0);
        var e = Assert.Throws<WorkloadApiException>(() => source.Svid);
        Assert.Equal(WorkloadApiFailure.NoIdentity, e.Failure);
        Assert.StartsWith("this process has no X.509-SVID at the moment: ", e.Message, StringComparison.Ordinal);
        Assert.Empty(source.Bundles.Bundles);
    }

    [Trait("rule", "WLAPI-10")]
    [Fact]
    public async Task A_federated_bundle_that_is_no_longer_sent_is_no_longer_trusted()
    {
        var other = new TestAuthority("other.test");
        _api.Serve(_authority.Respond(_authority.Id("/a"), other));
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation);
        Assert.True(source.Bundles.TryGet(other.TrustDomain, out _));
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await Until(source, context => !context.Bundles.TryGet(other.TrustDomain, out _));
        Assert.False(source.Bundles.TryGet(other.TrustDomain, out _));
    }

    [Trait("rule", "WLEP-12")]
    [Trait("rule", "WLAPI-06")]
    [Fact]
    public async Task Keeps_its_identity_while_the_endpoint_is_away_and_finds_it_again()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation);
        await _api.CloseAsync();
        Assert.Equal(_authority.Id("/a"), source.Svid.Id);

        _api.Serve(_authority.Respond(_authority.Id("/b")));
        await _api.OpenAsync();
        await Until(source, context => context.Default?.Id == _authority.Id("/b"));
    }

    [Fact]
    public async Task Does_not_offer_an_expired_identity()
    {
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        _api.Serve(new X509SVIDResponse { Svids = { _authority.IssueX509(_authority.Id("/a"), TimeSpan.FromMinutes(5)) } });
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(clock), cancellation: Cancellation);
        Assert.NotNull(source.Svid);
        clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Contains("expired", Assert.Throws<WorkloadApiException>(() => source.Svid).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Picks_the_identity_it_is_told_to()
    {
        var response = _authority.Respond(_authority.Id("/a"));
        response.Svids.Add(_authority.IssueX509(_authority.Id("/b"), hint: "internal"));
        _api.Serve(response);
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(), all => all.FindByHint("internal"), Cancellation);
        Assert.Equal(_authority.Id("/b"), source.Svid.Id);
    }

    [Fact]
    [Trait("rule", "WLAPI-34")]
    public async Task Takes_the_first_identity_where_nothing_else_is_said()
    {
        var response = _authority.Respond(_authority.Id("/z"));
        response.Svids.Add(_authority.IssueX509(_authority.Id("/a"), hint: "internal"));
        _api.Serve(response);
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation);
        Assert.Equal(_authority.Id("/z"), source.Svid.Id);
    }

    [Fact]
    public async Task Waits_until_the_identity_it_wants_is_there_and_has_none_when_it_goes()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        var creating = X509Source.CreateAsync(
            _api.ClientOptions(), all => all.Svids.FirstOrDefault(svid => svid.Id == _authority.Id("/b")), Cancellation);
        _api.Serve(_authority.Respond(_authority.Id("/b")));
        await using var source = await creating;
        Assert.Equal(_authority.Id("/b"), source.Svid.Id);
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await Until(source, context => context.Default?.Id == _authority.Id("/a"));
        Assert.Equal(WorkloadApiFailure.NoIdentity, Assert.Throws<WorkloadApiException>(() => source.Svid).Failure);
    }

    [Fact]
    public async Task A_choice_that_throws_gives_no_identity_and_does_not_end_the_watch()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await using var source = await X509Source.CreateAsync(
            _api.ClientOptions(), all => all.Default!.Id == _authority.Id("/bad") ? throw new InvalidOperationException() : all.Default, Cancellation);
        _api.Serve(_authority.Respond(_authority.Id("/bad")));
        await Until(source, context => context.Default?.Id == _authority.Id("/bad"));
        Assert.Throws<WorkloadApiException>(() => source.Svid);
        _api.Serve(_authority.Respond(_authority.Id("/c")));
        await Until(source, context => context.Default?.Id == _authority.Id("/c"));
        Assert.Equal(_authority.Id("/c"), source.Svid.Id);
    }

    [Fact]
    public async Task Has_nothing_once_it_is_disposed()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        var source = await X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation);
        await source.DisposeAsync();
        await source.DisposeAsync();
        Assert.Throws<WorkloadApiException>(() => source.Svid);
        await foreach (var context in source.WatchAsync(Cancellation)) Assert.Same(X509Context.None, context);
    }

    private WorkloadApiClientOptions Impatient() => new() { Endpoint = _api.Endpoint, StartTimeout = TimeSpan.FromSeconds(2) };

    internal static async Task Until(X509Source source, Func<X509Context, bool> reached)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        await foreach (var context in source.WatchAsync(deadline.Token))
        {
            if (reached(context)) return;
        }
    }
}
