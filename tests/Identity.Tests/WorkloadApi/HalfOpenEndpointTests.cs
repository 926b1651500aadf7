using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Identity.Testing.WorkloadApi;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>An endpoint by TCP whose host is gone, or that a firewall has forgotten: nothing comes any more, and nothing says so.</summary>
public sealed class HalfOpenEndpointTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    [Trait("rule", "WLAPI-06")]
    public async Task Is_noticed_though_a_stream_may_be_silent_for_long()
    {
        var authority = new TestAuthority();
        await using var api = await FakeWorkloadApi.StartAsync();
        await using var way = new Way(api.Endpoint.Address);
        api.Serve(authority.Respond(authority.Id("/1")));
        var options = new WorkloadApiClientOptions
        {
            Endpoint = WorkloadEndpoint.Parse($"tcp://127.0.0.1:{way.Port}"),
            RetryDelay = TimeSpan.FromMilliseconds(10),
            MaxRetryDelay = TimeSpan.FromMilliseconds(50),
        };
        SetPing(options, TimeSpan.FromSeconds(1));
        await using var source = await X509Source.CreateAsync(options, cancellation: Cancellation);
        Assert.Equal(authority.Id("/1"), source.Svid.Id);

        way.LoseAllThatIsOpen();
        api.Serve(authority.Respond(authority.Id("/2")));
        await X509SourceTests.Until(source, context => context.Default?.Id == authority.Id("/2"));
    }

    // grpc-go answers who asks more often than every 5 minutes with GOAWAY (too_many_pings).
    [Fact]
    public void Is_asked_no_more_often_than_a_gRPC_server_bears() => Assert.True(GetPing(new WorkloadApiClientOptions()) > TimeSpan.FromMinutes(5));

    // Nobody else is to set it; the SDK's generated types would stand beside those of the tests if they saw all that is internal there.
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_TcpPing")]
    private static extern void SetPing(WorkloadApiClientOptions options, TimeSpan ping);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_TcpPing")]
    private static extern TimeSpan GetPing(WorkloadApiClientOptions options);

    /// <summary>Passes connections on.</summary>
    private sealed class Way : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stopping = new();
        private readonly Task _running;
        private volatile object _open = new();

        public Way(EndPoint target)
        {
            _listener.Start();
            _running = RunAsync(target);
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        /// <summary>What either end says on connections made before is lost.</summary>
        public void LoseAllThatIsOpen() => _open = new object();

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            _listener.Dispose();
            await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        private async Task RunAsync(EndPoint target)
        {
            var passing = new List<Task>();
            try
            {
                while (true) passing.Add(PassAsync(await _listener.AcceptSocketAsync(_stopping.Token), target));
            }
            finally
            {
                await Task.WhenAll(passing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        private async Task PassAsync(Socket near, EndPoint target)
        {
            using var from = near;
            using var to = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            var open = _open;
            await to.ConnectAsync(target, _stopping.Token);
            await Task.WhenAny(CopyAsync(from, to, open), CopyAsync(to, from, open));
        }

        private async Task CopyAsync(Socket from, Socket to, object open)
        {
            var buffer = new byte[16 << 10];
            while (await from.ReceiveAsync(buffer, _stopping.Token) is > 0 and var read)
            {
                if (ReferenceEquals(open, _open)) await to.SendAsync(buffer.AsMemory(0, read), _stopping.Token);
            }
        }
    }
}
