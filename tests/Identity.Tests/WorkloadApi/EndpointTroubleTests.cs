using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>Why the Workload API cannot be asked, said so that whoever reads it knows what to mend.</summary>
public sealed class EndpointTroubleTests : IDisposable
{
    private const string NoHandshake = "is reachable but closed the connection at once, or speaks another protocol; expected gRPC, which is HTTP/2, without TLS";

    private readonly string _folder = Directory.CreateTempSubdirectory("endpoint-trouble-").FullName;
    private readonly FakeLogger _logger = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string SocketPath => Path.Combine(_folder, "socket");

    private WorkloadEndpoint UnixSocket => WorkloadEndpoint.Parse($"unix://{SocketPath}");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public Task A_socket_that_is_not_there() => AssertSaidAsync(UnixSocket, "is not reachable: there is no such socket");

    [Fact]
    public async Task A_socket_that_this_process_may_not_open()
    {
        Assert.SkipWhen(Environment.IsPrivilegedProcess, "root may open every socket");
        using var listener = Listen(new UnixDomainSocketEndPoint(SocketPath));
        File.SetUnixFileMode(SocketPath, UnixFileMode.None);
        await AssertSaidAsync(UnixSocket, "is not reachable: this process may not open the socket (permission denied)");
    }

    [Fact]
    public async Task A_port_where_nobody_listens()
    {
        int port;
        using (var listener = Listen(new IPEndPoint(IPAddress.Loopback, 0))) port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        await AssertSaidAsync(WorkloadEndpoint.Parse($"tcp://127.0.0.1:{port}"), "is not reachable: nobody listens there (connection refused)");
    }

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("220 mail.example.org ESMTP, and whatever else such a server says to whom it does not know\r\n")]
    public async Task An_endpoint_that_speaks_another_protocol(string greeting)
    {
        using var listener = Listen(new UnixDomainSocketEndPoint(SocketPath));
        _ = AnswerAsync(listener, greeting);
        await AssertSaidAsync(UnixSocket, NoHandshake);
    }

    [Fact]
    public async Task An_endpoint_that_closes_at_once()
    {
        using var listener = Listen(new UnixDomainSocketEndPoint(SocketPath));
        _ = AnswerAsync(listener, "");
        await AssertSaidAsync(UnixSocket, NoHandshake);
    }

    [Fact]
    public async Task An_endpoint_that_says_itself_why_it_is_not_ready()
    {
        await using var api = await FakeWorkloadApi.StartAsync();
        api.Refuse(StatusCode.Unavailable, "enrolling");
        await AssertSaidAsync(api.Endpoint, "is not ready: \"enrolling\"");
    }

    [Fact]
    public async Task A_source_that_waited_in_vain_says_it_too_and_keeps_the_cause()
    {
        var options = Options(UnixSocket, TimeSpan.FromMilliseconds(200));
        foreach (var start in (Func<Task>[])[() => X509Source.CreateAsync(options), () => BundleSource.CreateAsync(options)])
        {
            var e = await Assert.ThrowsAsync<WorkloadApiException>(start);
            Assert.Equal(WorkloadApiFailure.Unavailable, e.Failure);
            Assert.EndsWith($"within 0.2 s: the Workload API at {UnixSocket} is not reachable: there is no such socket", e.Message, StringComparison.Ordinal);
            Assert.Equal(SocketError.AddressNotAvailable, Assert.IsType<SocketException>(e.GetBaseException()).SocketErrorCode);
        }

        using var tokens = new JwtSource(options);
        var none = await Assert.ThrowsAsync<WorkloadApiException>(() => tokens.GetAsync("us", Cancellation));
        Assert.EndsWith("is not reachable: there is no such socket", none.Message, StringComparison.Ordinal);
        Assert.IsType<SocketException>(none.GetBaseException());
    }

    [Fact]
    public async Task A_stream_that_goes_on_failing_is_one_warning_in_ten_seconds()
    {
        // Time stands still for the log, and the waits are none.
        var clock = new FakeTimeProvider();
        using var client = new WorkloadApiClient(new WorkloadApiClientOptions { Endpoint = UnixSocket, RetryDelay = TimeSpan.Zero, MaxRetryDelay = TimeSpan.Zero, TimeProvider = clock, Logger = _logger });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var watching = Task.Run(
            async () =>
            {
                await foreach (var context in client.WatchX509SvidAsync(stop.Token)) Assert.Fail($"{context.Svids.Count} SVIDs");
            },
            Cancellation);
        await UntilAsync(() => Told(LogLevel.Debug).Count >= 3);
        var warning = Assert.Single(Told(LogLevel.Warning));
        Assert.Equal($"A Workload API stream ended: the Workload API at {UnixSocket} is not reachable: there is no such socket", warning);

        clock.Advance(TimeSpan.FromSeconds(11));
        await UntilAsync(() => Told(LogLevel.Warning).Count == 2);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
    }

    private static async Task AssertSaidAsync(WorkloadEndpoint endpoint, string expected)
    {
        using var client = new WorkloadApiClient(Options(endpoint, Timeout.InfiniteTimeSpan));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => client.FetchX509SvidAsync(Cancellation));
        Assert.Equal($"the Workload API at {endpoint} {expected}", e.Message);
        Assert.Equal(WorkloadApiFailure.Unavailable, e.Failure);
    }

    private static WorkloadApiClientOptions Options(WorkloadEndpoint endpoint, TimeSpan startTimeout) =>
        new() { Endpoint = endpoint, StartTimeout = startTimeout, RetryDelay = TimeSpan.FromMilliseconds(10) };

    private List<string> Told(LogLevel level) => [.. _logger.Collector.GetSnapshot().Where(entry => entry.Level == level).Select(entry => entry.Message)];

    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition()) await Task.Delay(10, Cancellation);
    }

    private static Socket Listen(EndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(address);
        socket.Listen();
        return socket;
    }

    private static async Task AnswerAsync(Socket listener, string greeting)
    {
        while (true)
        {
            using var connection = await listener.AcceptAsync(Cancellation);
            await connection.ReceiveAsync(new byte[4096], Cancellation);
            if (greeting.Length == 0) connection.Shutdown(SocketShutdown.Send);
            else await connection.SendAsync(System.Text.Encoding.ASCII.GetBytes(greeting), Cancellation);

            // Until the client goes: closing with bytes unread would be a reset.
            while (await connection.ReceiveAsync(new byte[4096], Cancellation) > 0)
            {
            }
        }
    }
}
