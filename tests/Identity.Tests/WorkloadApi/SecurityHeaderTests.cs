using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;

#pragma warning disable SPIFFE001 // These tests opt in.

namespace Identity.Tests.WorkloadApi;

/// <summary>SPIFFE Workload Endpoint §3: the SDK's client sends the security header with every request of every RPC, those of a watch that comes back included.</summary>
[Trait("rule", "WLEP-03")]
public sealed class SecurityHeaderTests
{
    private static readonly Dictionary<string, (string Rpc, Func<WorkloadApiClient, CancellationToken, Task> Call)> Calls = new()
    {
        ["FetchX509SvidAsync"] = ("FetchX509SVID", (client, cancellation) => client.FetchX509SvidAsync(cancellation)),
        ["FetchX509BundlesAsync"] = ("FetchX509Bundles", (client, cancellation) => client.FetchX509BundlesAsync(cancellation)),
        ["FetchJwtBundlesAsync"] = ("FetchJWTBundles", (client, cancellation) => client.FetchJwtBundlesAsync(cancellation)),
        ["FetchJwtSvidsAsync"] = ("FetchJWTSVID", (client, cancellation) => client.FetchJwtSvidsAsync(["x"], null, cancellation)),
        ["ValidateJwtSvidAsync"] = ("ValidateJWTSVID", (client, cancellation) => client.ValidateJwtSvidAsync("x", "x", cancellation)),
        ["FetchWitSvidsAsync"] = ("FetchWITSVID", (client, cancellation) => client.FetchWitSvidsAsync(null, cancellation)),
        ["FetchWitBundlesAsync"] = ("FetchWITBundles", (client, cancellation) => client.FetchWitBundlesAsync(cancellation)),
        ["WatchX509SvidAsync"] = ("FetchX509SVID", (client, cancellation) => FirstAsync(client.WatchX509SvidAsync(cancellation))),
        ["WatchX509BundlesAsync"] = ("FetchX509Bundles", (client, cancellation) => FirstAsync(client.WatchX509BundlesAsync(cancellation))),
        ["WatchJwtBundlesAsync"] = ("FetchJWTBundles", (client, cancellation) => FirstAsync(client.WatchJwtBundlesAsync(cancellation))),
        ["WatchWitSvidsAsync"] = ("FetchWITSVID", (client, cancellation) => FirstAsync(client.WatchWitSvidsAsync(null, cancellation))),
        ["WatchWitBundlesAsync"] = ("FetchWITBundles", (client, cancellation) => FirstAsync(client.WatchWitBundlesAsync(cancellation))),
    };

    public static TheoryData<string> CallNames => [.. Calls.Keys];

    [Theory]
    [MemberData(nameof(CallNames))]
    public async Task Goes_with_every_request_of(string name)
    {
        await using var api = await FakeWorkloadApi.StartAsync();
        api.Serve(new WITSVIDResponse());
        api.Serve(new WITBundlesResponse());
        api.Refuse(StatusCode.PermissionDenied);

        // A refused watch asks again and again: three times are enough.
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var clock = new RecordingTimeProvider();
        clock.After(3, enough.Cancel);
        var isWatch = name.StartsWith("Watch", StringComparison.Ordinal);
        using var client = new WorkloadApiClient(api.ClientOptions(isWatch ? clock : null));
        var (rpc, call) = Calls[name];
        var end = await Record.ExceptionAsync(() => call(client, enough.Token));

        if (isWatch) Assert.IsAssignableFrom<OperationCanceledException>(end);
        else Assert.Equal(WorkloadApiFailure.NoIdentity, Assert.IsType<WorkloadApiException>(end).Failure);
        Assert.Equal(Enumerable.Repeat((rpc, (string?)"true"), isWatch ? 3 : 1), api.Requests);
    }

    [Fact]
    public void No_call_of_the_client_and_no_RPC_is_left_out()
    {
        string[] others = ["Dispose", "Equals", "GetHashCode", "GetType", "ToString"];
        Assert.Equal(
            Calls.Keys.Order(StringComparer.Ordinal),
            typeof(WorkloadApiClient).GetMethods().Where(method => !method.IsSpecialName && !others.Contains(method.Name)).Select(method => method.Name).Order(StringComparer.Ordinal));
        Assert.Equal(
            SpiffeWorkloadAPI.Descriptor.Methods.Select(method => method.Name).Order(StringComparer.Ordinal),
            Calls.Values.Select(call => call.Rpc).Distinct().Order(StringComparer.Ordinal));
    }

    private static async Task FirstAsync<T>(IAsyncEnumerable<T> watch)
    {
        await foreach (var _ in watch) return;
    }
}
