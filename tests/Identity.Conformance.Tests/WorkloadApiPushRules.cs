using Grpc.Core;
using Identity.Testing.Platform;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>
/// SPIFFE Workload API §4.3, §5.2: what open streams of a shipped agent say while an operator changes what their caller is entitled to. A platform of its own,
/// because the other tests want one and the same identity all the time.
/// </summary>
public sealed class WorkloadApiPushRules : IAsyncLifetime
{
    private static readonly Metadata Header = new() { { "workload.spiffe.io", "true" } };
    private static readonly string First = AgentFixture.Entry("first", Environment.ProcessPath!, "internal");
    private static readonly string Second = AgentFixture.Entry("second", Environment.ProcessPath!, "internal");

    private readonly string _folder = Directory.CreateTempSubdirectory("identity-push-").FullName;
    private LocalPlatform _platform = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _platform = await AgentFixture.StartAsync(_folder, First);

    public async ValueTask DisposeAsync()
    {
        await _platform.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-07")]
    [Trait(Rule.Trait, "WLAPI-09")]
    [Trait(Rule.Trait, "WLAPI-13")]
    [Trait(Rule.Trait, "WLAPI-17")]
    [Trait(Rule.Trait, "WLAPI-18")]
    [Trait(Rule.Trait, "WLAPI-20")]
    [Trait(Rule.Trait, "WLAPI-34")]
    [Trait(Rule.Trait, "WLEP-13")]
    public async Task Every_message_is_the_whole_truth_and_the_stream_ends_with_the_entitlement()
    {
        var client = AgentFixture.Client(_platform);
        using var call = client.FetchX509SVID(new(), Header, cancellationToken: Cancellation);
        Assert.Equal([("spiffe://example.org/first", "internal")], Identities(await UntilAsync(call, svids => svids.Count == 1)));

        // 1. Another identity with the same hint: both are sent, the first stays first and alone has the hint.
        await AgentFixture.ChangeAsync(_platform, "apply", Second);
        Assert.Equal(
            [("spiffe://example.org/first", "internal"), ("spiffe://example.org/second", "")], Identities(await UntilAsync(call, svids => svids.Count == 2)));

        // 2. One is taken away: what is sent is what is left.
        await AgentFixture.ChangeAsync(_platform, "delete", First);
        Assert.Equal([("spiffe://example.org/second", "internal")], Identities(await UntilAsync(call, svids => svids.Count == 1)));

        // 3. So is the other: the stream ends, and every RPC says why.
        await AgentFixture.ChangeAsync(_platform, "delete", Second);
        var ended = await Assert.ThrowsAsync<RpcException>(() => UntilAsync(call, svids => svids.Count == 0));
        Assert.Equal(StatusCode.PermissionDenied, ended.StatusCode);
        await DeniedAsync(() => FirstAsync(client.FetchX509SVID(new(), Header, cancellationToken: Cancellation)));
        await DeniedAsync(() => FirstAsync(client.FetchX509Bundles(new(), Header, cancellationToken: Cancellation)));
        await DeniedAsync(() => client.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "a" } }, Header, cancellationToken: Cancellation).ResponseAsync);
        await DeniedAsync(() => FirstAsync(client.FetchJWTBundles(new(), Header, cancellationToken: Cancellation)));
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-35")]
    public async Task A_hint_of_more_than_1024_bytes_is_never_registered()
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(
            () => AgentFixture.ChangeAsync(_platform, "apply", AgentFixture.Entry("third", Environment.ProcessPath!, new string('x', 1025))));
        Assert.Contains("hint", refused.Message, StringComparison.Ordinal);
    }

    private static List<(string Id, string Hint)> Identities(IEnumerable<X509SVID> svids) => [.. svids.Select(svid => (svid.SpiffeId, svid.Hint))];

    // A message may say what the one before said; it is the newest that counts.
    private static async Task<IReadOnlyList<X509SVID>> UntilAsync(AsyncServerStreamingCall<X509SVIDResponse> call, Func<IReadOnlyList<X509SVID>, bool> expected)
    {
        while (await call.ResponseStream.MoveNext(Cancellation))
        {
            if (expected(call.ResponseStream.Current.Svids)) return call.ResponseStream.Current.Svids;
        }

        throw new InvalidOperationException("the stream ended without a status");
    }

    private static async Task DeniedAsync<T>(Func<Task<T>> call) =>
        Assert.Equal(StatusCode.PermissionDenied, (await Assert.ThrowsAsync<RpcException>(call)).StatusCode);

    private static async Task<T> FirstAsync<T>(AsyncServerStreamingCall<T> call)
    {
        using (call)
        {
            Assert.True(await call.ResponseStream.MoveNext(Cancellation));
            return call.ResponseStream.Current;
        }
    }
}
