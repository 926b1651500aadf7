using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Testing.WorkloadApi;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

public sealed class WorkloadApiClientTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
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

    [Trait("rule", "WLAPI-34")]
    [Trait("rule", "WLEP-02")]
    [Fact]
    public async Task Fetches_identities_in_order_with_every_bundle()
    {
        var other = new TestAuthority("other.test");
        var response = _authority.Respond(_authority.Id("/a"), other);
        response.Svids.Add(_authority.IssueX509(_authority.Id("/b"), hint: "second"));
        _api.Serve(response);

        var context = await _client.FetchX509SvidAsync(Cancellation);

        Assert.Equal(["spiffe://example.org/a", "spiffe://example.org/b"], context.Svids.Select(svid => svid.Id.ToString()));
        Assert.Equal(_authority.Id("/a"), context.Default?.Id);
        Assert.Equal(_authority.Id("/b"), context.FindByHint("second")?.Id);
        Assert.Null(context.FindByHint("third"));
        Assert.True(context.Bundles.TryGet(_authority.TrustDomain, out _));
        Assert.True(context.Bundles.TryGet(other.TrustDomain, out _));
    }

    [Trait("rule", "WLAPI-17")]
    [Fact]
    public async Task Of_two_identities_with_one_hint_the_first_counts()
    {
        _api.Serve(new X509SVIDResponse
        {
            Svids = { _authority.IssueX509(_authority.Id("/a"), hint: "x"), _authority.IssueX509(_authority.Id("/b"), hint: "x") },
        });
        Assert.Equal(_authority.Id("/a"), Assert.Single((await _client.FetchX509SvidAsync(Cancellation)).Svids).Id);
    }

    [Theory]
    [InlineData(StatusCode.PermissionDenied, WorkloadApiFailure.NoIdentity, true)]
    [InlineData(StatusCode.Unavailable, WorkloadApiFailure.Unavailable, true)]
    [InlineData(StatusCode.InvalidArgument, WorkloadApiFailure.InvalidRequest, false)]
    [InlineData(StatusCode.Unimplemented, WorkloadApiFailure.Unimplemented, false)]
    [InlineData(StatusCode.Internal, WorkloadApiFailure.Unknown, true)]
    public async Task Names_the_failure(StatusCode status, WorkloadApiFailure failure, bool isWorthRetrying)
    {
        _api.Refuse(status);
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _client.FetchX509SvidAsync(Cancellation));
        Assert.Equal((failure, isWorthRetrying), (e.Failure, e.IsWorthRetrying));
        Assert.Contains(_api.Endpoint.ToString(), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Says_so_when_nobody_listens()
    {
        await _api.CloseAsync();
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _client.FetchX509SvidAsync(Cancellation));
        Assert.Equal(WorkloadApiFailure.Unavailable, e.Failure);
    }

    [Trait("rule", "WLEP-14")]
    [Trait("rule", "WLEP-17")]
    [Theory]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.Unimplemented)]
    public async Task A_watch_ends_where_another_try_is_pointless(StatusCode status)
    {
        _api.Refuse(status);
        await Assert.ThrowsAsync<WorkloadApiException>(async () => await _client.WatchX509SvidAsync(Cancellation).GetAsyncEnumerator(Cancellation).MoveNextAsync());
    }

    [Trait("rule", "WLAPI-10")]
    [Trait("rule", "WLAPI-19")]
    [Fact]
    public async Task A_watch_sees_changes_withdrawal_and_return()
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await using var watch = _client.WatchX509SvidAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(_authority.Id("/a"), watch.Current.Default?.Id);

        _api.Serve(_authority.Respond(_authority.Id("/b")));
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(_authority.Id("/b"), watch.Current.Default?.Id);

        _api.Refuse(StatusCode.PermissionDenied);
        Assert.True(await watch.MoveNextAsync());
        Assert.Same(X509Context.None, watch.Current);

        _api.Serve(_authority.Respond(_authority.Id("/c")));
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(_authority.Id("/c"), watch.Current.Default?.Id);
    }

    public static TheoryData<string> Damages => ["no svid", "no certificate", "hint too long", "own bundle damaged", "name missing", "no key", "no bundle", "damaged key", "another's name", "another's key", "bare trust domain", "workload as trust domain"];

    [Trait("rule", "WLAPI-11")]
    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Discards_an_unusable_response_whole_and_keeps_the_stream(string damage)
    {
        _api.Serve(Damaged(damage));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _client.FetchX509SvidAsync(Cancellation));
        Assert.Equal(WorkloadApiFailure.MalformedResponse, e.Failure);

        await using var watch = _client.WatchX509SvidAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        var next = watch.MoveNextAsync();
        _api.Serve(_authority.Respond(_authority.Id("/good")));
        Assert.True(await next);
        Assert.Equal(_authority.Id("/good"), watch.Current.Default?.Id);
    }

    [Fact]
    [Trait("rule", "WLAPI-06")]
    public async Task A_stream_that_ends_is_reopened_at_once()
    {
        var clock = new RecordingTimeProvider();
        using var client = new WorkloadApiClient(_api.ClientOptions(clock));
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        await using var watch = client.WatchX509SvidAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());
        _api.EndStreams();
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(2, _api.CallsOf("FetchX509SVID"));
        Assert.Empty(clock.Delays);
    }

    [Theory]
    [InlineData(StatusCode.Unavailable)]
    [InlineData(StatusCode.PermissionDenied)]
    [InlineData(StatusCode.Internal)]
    [InlineData(StatusCode.DeadlineExceeded)]
    [Trait("rule", "WLEP-12")]
    [Trait("rule", "WLEP-13")]
    public async Task A_watch_that_is_refused_asks_again_ever_less_often(StatusCode status)
    {
        var clock = new RecordingTimeProvider();
        using var client = new WorkloadApiClient(new WorkloadApiClientOptions { Endpoint = _api.Endpoint, TimeProvider = clock });
        _api.Refuse(status);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        clock.After(8, enough.Cancel);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await client.WatchX509SvidAsync(enough.Token).GetAsyncEnumerator(enough.Token).MoveNextAsync());

        double[] longest = [1, 2, 4, 8, 16, 30, 30, 30];
        Assert.All(longest.Zip(clock.Delays), pair => Assert.InRange(pair.Second.TotalSeconds, pair.First * 0.79, pair.First));
    }

    [Theory]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.Unimplemented)]
    [Trait("rule", "WLEP-14")]
    [Trait("rule", "WLEP-17")]
    public async Task Asks_only_once_where_the_answer_will_not_change(StatusCode status)
    {
        var clock = new RecordingTimeProvider();
        using var client = new WorkloadApiClient(_api.ClientOptions(clock));
        _api.Refuse(status);
        await Assert.ThrowsAsync<WorkloadApiException>(async () => await client.WatchJwtBundlesAsync(Cancellation).GetAsyncEnumerator(Cancellation).MoveNextAsync());
        await Assert.ThrowsAsync<WorkloadApiException>(async () => await client.WatchX509BundlesAsync(Cancellation).GetAsyncEnumerator(Cancellation).MoveNextAsync());
        Assert.Equal((1, 1), (_api.CallsOf("FetchJWTBundles"), _api.CallsOf("FetchX509Bundles")));
        Assert.Empty(clock.Delays);
    }

    [Fact]
    [Trait("rule", "WLAPI-12")]
    public async Task A_foreign_bundle_that_cannot_be_read_trusts_nobody_and_stops_nothing()
    {
        var other = new TestAuthority("other.test");
        var response = _authority.Respond(_authority.Id("/a"), other);
        response.FederatedBundles["spiffe://other.test"] = ByteString.CopyFrom(other.X509Bundle.AsSpan(..^1));
        response.FederatedBundles["spiffe://third.test"] = ByteString.CopyFrom(new TestAuthority("third.test").X509Bundle);
        _api.Serve(response);
        var context = await _client.FetchX509SvidAsync(Cancellation);
        Assert.Equal(["example.org", "third.test"], context.Bundles.Bundles.Select(bundle => bundle.TrustDomain.ToString()).Order());
    }

    [Fact]
    public async Task Passes_revocation_lists_on()
    {
        var response = _authority.Respond(_authority.Id("/a"));
        response.Crl.Add(ByteString.CopyFromUtf8("a list"));
        _api.Serve(response);
        Assert.Equal("a list"u8.ToArray(), Assert.Single((await _client.FetchX509SvidAsync(Cancellation)).Crls).ToArray());
    }

    [Fact]
    public async Task Says_what_the_endpoint_says_about_a_missing_identity_without_control_characters()
    {
        _api.Refuse(StatusCode.PermissionDenied, "decision 7F3A\n\u001b[31m");
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _client.FetchX509SvidAsync(Cancellation));
        Assert.Contains("\"decision 7F3A??[31m\"", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("TRUE")]
    public async Task The_fake_refuses_a_caller_without_the_security_header(string? value)
    {
        _api.Serve(_authority.Respond(_authority.Id("/a")));
        using var channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellation) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(_api.Endpoint.Address, cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            },
        });
        var headers = new Metadata();
        if (value is not null) headers.Add("workload.spiffe.io", value);
        using var call = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel).FetchX509SVID(new X509SVIDRequest(), headers, cancellationToken: Cancellation);
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation));
        Assert.Equal(StatusCode.InvalidArgument, e.StatusCode);
    }

    private X509SVIDResponse Damaged(string damage)
    {
        var response = _authority.Respond(_authority.Id("/a"));
        var svid = response.Svids[0];
        switch (damage)
        {
            case "no svid": response.Svids.Clear(); break;
            case "no certificate": svid.X509Svid = ByteString.Empty; break;
            case "hint too long": svid.Hint = new string('h', 1025); break;
            case "own bundle damaged": svid.Bundle = ByteString.CopyFrom(svid.Bundle.Span[..^1]); break;
            case "name missing": svid.SpiffeId = ""; break;
            case "no key": svid.X509SvidKey = ByteString.Empty; break;
            case "no bundle": svid.Bundle = ByteString.Empty; break;
            case "damaged key": svid.X509SvidKey = ByteString.CopyFrom(svid.X509SvidKey.Span[..^9]); break;
            case "another's name": svid.SpiffeId = "spiffe://example.org/b"; break;
            case "another's key": svid.X509SvidKey = _authority.IssueX509(_authority.Id("/a")).X509SvidKey; break;
            case "bare trust domain": response.FederatedBundles["other.test"] = ByteString.CopyFrom(_authority.X509Bundle); break;
            default: response.FederatedBundles["spiffe://other.test/x"] = ByteString.CopyFrom(_authority.X509Bundle); break;
        }

        return response;
    }
}
