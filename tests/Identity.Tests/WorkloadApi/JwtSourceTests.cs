using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

public sealed class JwtSourceTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private FakeWorkloadApi _api = null!;
    private JwtSource _source = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeWorkloadApi.StartAsync();
        _api.ServeJwt(request => Task.FromResult(Issue(request)));
        _source = new JwtSource(_api.ClientOptions(_clock));
    }

    public async ValueTask DisposeAsync()
    {
        _source.Dispose();
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task Asks_once_per_audience_and_subject()
    {
        var first = await _source.GetAsync("nats", Cancellation);
        Assert.Same(first, await _source.GetAsync("nats", Cancellation));
        Assert.NotSame(first, await _source.GetAsync("other", Cancellation));
        Assert.NotSame(first, await _source.GetAsync(["nats"], _authority.Id("/a"), Cancellation));
        Assert.Equal(3, _api.JwtCalls);
    }

    [Fact]
    public async Task Many_who_ask_at_once_share_one_call()
    {
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _api.ServeJwt(async request =>
        {
            await open.Task;
            return Issue(request);
        });
        var asking = Enumerable.Range(0, 50).Select(_ => _source.GetAsync("nats", Cancellation)).ToArray();
        open.SetResult();
        await Task.WhenAll(asking);
        Assert.Equal(1, _api.JwtCalls);
    }

    [Fact]
    public async Task One_who_stops_waiting_does_not_stop_the_others()
    {
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _api.ServeJwt(async request =>
        {
            await open.Task;
            return Issue(request);
        });
        using var impatient = new CancellationTokenSource();
        var leaving = _source.GetAsync("nats", impatient.Token);
        var staying = _source.GetAsync("nats", Cancellation);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaving);
        open.SetResult();
        Assert.Equal(_authority.Id("/a"), (await staying).Id);
    }

    [Fact]
    public async Task Renews_behind_its_callers_from_half_its_life_on()
    {
        var first = await _source.GetAsync("nats", Cancellation);
        _clock.Advance(TimeSpan.FromSeconds(149));
        Assert.Same(first, await _source.GetAsync("nats", Cancellation));
        Assert.Equal(1, _api.JwtCalls);

        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _api.ServeJwt(async request =>
        {
            asked.SetResult();
            await open.Task;
            return Issue(request);
        });
        _clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Same(first, await _source.GetAsync("nats", Cancellation));
        await asked.Task.WaitAsync(Cancellation);
        Assert.Same(first, await _source.GetAsync("nats", Cancellation));
        Assert.Equal(2, _api.JwtCalls);
        open.SetResult();
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (await _source.GetAsync("nats", Cancellation) == first)
        {
            deadline.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        Assert.Equal(2, _api.JwtCalls);
    }

    [Fact]
    public async Task Waits_for_a_newer_token_from_three_quarters_of_its_life_on()
    {
        var first = await _source.GetAsync("nats", Cancellation);
        _clock.Advance(TimeSpan.FromSeconds(226));
        Assert.True((await _source.GetAsync("nats", Cancellation)).ExpiresAt > first.ExpiresAt);
    }

    [Fact]
    public async Task Speaks_as_the_identity_it_is_told_to()
    {
        _api.ServeJwt(request =>
        {
            var response = Issue(request);
            var second = _authority.IssueJwt(_authority.Id("/b"), request.Audience, _clock.GetUtcNow().AddMinutes(5));
            second.Hint = "internal";
            response.Svids.Add(second);
            return Task.FromResult(response);
        });
        using var picky = new JwtSource(_api.ClientOptions(_clock), all => all.FindByHint("internal"));
        using var choosy = new JwtSource(_api.ClientOptions(_clock), all => all.FindByHint("external"));
        Assert.Equal(_authority.Id("/a"), (await _source.GetAsync("nats", Cancellation)).Id);
        Assert.Equal(_authority.Id("/b"), (await picky.GetAsync("nats", Cancellation)).Id);
        Assert.Equal(WorkloadApiFailure.NoIdentity, (await Assert.ThrowsAsync<WorkloadApiException>(() => choosy.GetAsync("nats", Cancellation))).Failure);
    }

    [Fact]
    public async Task A_choice_that_fails_gives_no_identity_and_takes_the_token_that_was_held()
    {
        var fails = false;
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var source = new JwtSource(_api.ClientOptions(_clock), all =>
        {
            if (!fails) return all.Default;
            asked.TrySetResult();
            throw new InvalidOperationException("a bug");
        });
        var first = await source.GetAsync("nats", Cancellation);
        fails = true;
        // Behind the caller's back at first.
        _clock.Advance(TimeSpan.FromSeconds(160));
        Assert.Same(first, await source.GetAsync("nats", Cancellation));
        await asked.Task.WaitAsync(Cancellation);
        _clock.Advance(TimeSpan.FromSeconds(70));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => source.GetAsync("nats", Cancellation));
        Assert.Equal(WorkloadApiFailure.NoIdentity, e.Failure);
        Assert.IsType<InvalidOperationException>(e.InnerException);
        fails = false;
        Assert.NotSame(first, await source.GetAsync("nats", Cancellation));
    }

    [Fact]
    public async Task Audiences_with_odd_names_do_not_share_tokens()
    {
        Assert.Equal(["a", "b"], (await _source.GetAsync(["a", "b"], cancellation: Cancellation)).Audience);
        Assert.Equal(["a1:b"], (await _source.GetAsync(["a1:b"], cancellation: Cancellation)).Audience);
        await Assert.ThrowsAsync<ArgumentException>(() => _source.GetAsync([], cancellation: Cancellation));
    }

    [Fact]
    public async Task Serves_the_old_token_while_the_endpoint_is_away_but_not_past_its_end()
    {
        var first = await _source.GetAsync("nats", Cancellation);
        await _api.CloseAsync();
        _clock.Advance(TimeSpan.FromSeconds(240));
        Assert.Same(first, await _source.GetAsync("nats", Cancellation));
        _clock.Advance(TimeSpan.FromSeconds(52));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _source.GetAsync("nats", Cancellation));
        Assert.Equal(WorkloadApiFailure.Unavailable, e.Failure);
    }

    [Trait("rule", "WLAPI-19")]
    [Fact]
    public async Task Forgets_the_token_of_an_identity_that_was_withdrawn()
    {
        await _source.GetAsync("nats", Cancellation);
        await _source.GetAsync("other", Cancellation);
        _clock.Advance(TimeSpan.FromSeconds(240));
        _api.Refuse(StatusCode.PermissionDenied);
        for (var i = 0; i < 2; i++)
        {
            var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _source.GetAsync("nats", Cancellation));
            Assert.Equal(WorkloadApiFailure.NoIdentity, e.Failure);
        }

        await Assert.ThrowsAsync<WorkloadApiException>(() => _source.GetAsync("other", Cancellation));
    }

    [Fact]
    [Trait("rule", "WLAPI-19")]
    public async Task Forgets_the_tokens_of_named_identities_too_when_the_endpoint_knows_of_none_but_not_when_its_own_choice_fails()
    {
        var fails = false;
        using var source = new JwtSource(_api.ClientOptions(_clock), all => fails ? null : all.Default);
        var named = await source.GetAsync(["nats"], _authority.Id("/a"), Cancellation);
        fails = true;
        await Assert.ThrowsAsync<WorkloadApiException>(() => source.GetAsync("nats", Cancellation));
        Assert.Same(named, await source.GetAsync(["nats"], _authority.Id("/a"), Cancellation));

        _api.Refuse(StatusCode.PermissionDenied);
        await Assert.ThrowsAsync<WorkloadApiException>(() => source.GetAsync("nats", Cancellation));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => source.GetAsync(["nats"], _authority.Id("/a"), Cancellation));
        Assert.Equal(WorkloadApiFailure.NoIdentity, e.Failure);
    }

    // As X509Source: what nobody would ever withdraw is not used any more.
    [Theory]
    [InlineData(StatusCode.Unimplemented, WorkloadApiFailure.Unimplemented)]
    [InlineData(StatusCode.InvalidArgument, WorkloadApiFailure.InvalidRequest)]
    [Trait("rule", "WLEP-14")]
    [Trait("rule", "WLEP-17")]
    [Trait("rule", "WLAPI-19")]
    public async Task Forgets_a_token_after_an_answer_after_which_it_does_not_ask_again(StatusCode status, WorkloadApiFailure failure)
    {
        await _source.GetAsync("nats", Cancellation);
        _clock.Advance(TimeSpan.FromSeconds(240));
        _api.Refuse(status);
        Assert.Equal(failure, (await Assert.ThrowsAsync<WorkloadApiException>(() => _source.GetAsync("nats", Cancellation))).Failure);

        // Nor does it serve what it held when the endpoint is away the next time.
        _api.Refuse(StatusCode.Unavailable);
        Assert.Equal(WorkloadApiFailure.Unavailable, (await Assert.ThrowsAsync<WorkloadApiException>(() => _source.GetAsync("nats", Cancellation))).Failure);
    }

    [Fact]
    public async Task A_call_that_is_not_offered_any_more_takes_the_tokens_of_every_audience_and_a_wrong_request_only_its_own()
    {
        await _source.GetAsync("nats", Cancellation);
        var other = await _source.GetAsync("other", Cancellation);
        _clock.Advance(TimeSpan.FromSeconds(226));
        _api.Refuse(StatusCode.InvalidArgument);
        await Assert.ThrowsAsync<WorkloadApiException>(() => _source.GetAsync("nats", Cancellation));
        _api.Refuse(StatusCode.Unavailable);
        Assert.Same(other, await _source.GetAsync("other", Cancellation));
        _api.Refuse(StatusCode.Unimplemented);
        await Assert.ThrowsAsync<WorkloadApiException>(() => _source.GetAsync("nats", Cancellation));
        await Assert.ThrowsAsync<WorkloadApiException>(() => _source.GetAsync("other", Cancellation));
    }

    [Fact]
    public async Task Refuses_a_token_that_is_already_old()
    {
        _api.ServeJwt(request => Task.FromResult(new JWTSVIDResponse { Svids = { _authority.IssueJwt(_authority.Id("/a"), request.Audience, _clock.GetUtcNow().AddSeconds(5)) } }));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _source.GetAsync("nats", Cancellation));
        Assert.Equal(WorkloadApiFailure.MalformedResponse, e.Failure);
    }

    [Fact]
    public async Task Holds_a_bounded_number_of_tokens()
    {
        for (var i = 0; i < 300; i++) await _source.GetAsync($"audience-{i}", Cancellation);
        Assert.Equal(300, _api.JwtCalls);
        await _source.GetAsync("audience-0", Cancellation);
        Assert.Equal(301, _api.JwtCalls);
    }

    private JWTSVIDResponse Issue(JWTSVIDRequest request) =>
        new() { Svids = { _authority.IssueJwt(_authority.Id("/a"), request.Audience, _clock.GetUtcNow().AddMinutes(5)) } };
}
