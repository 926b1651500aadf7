using System.Net;
using System.Net.Sockets;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;

namespace Identity.Tests.WorkloadApi;

/// <summary>One way to use the SDK's TLS, both sides of it. The server answers with the SPIFFE ID it sees.</summary>
internal abstract class TlsTransport
{
    public const string Streams = "SslStream to SslStream";
    public const string Http1 = "HttpClient to Kestrel, HTTP/1.1";
    public const string Http2 = "HttpClient to Kestrel, HTTP/2";
    public const string Calls = "gRPC channel to gRPC service";

    public static TlsTransport Named(string name) => name switch
    {
        Streams => new StreamTransport(),
        Http1 => new HttpTransport(HttpVersion.Version11),
        Http2 => new HttpTransport(HttpVersion.Version20),
        _ => new GrpcTransport(),
    };

    /// <summary>Serves until disposed.</summary>
    public abstract Task<(IAsyncDisposable Server, int Port)> ServeAsync(X509Source source, AuthorizedPeers clients);

    /// <summary>A client that keeps its connection.</summary>
    public abstract Session Open(int port, X509Source source, AuthorizedPeers servers);

    internal sealed class Session(Func<CancellationToken, Task<string>> ask, Action close) : IDisposable
    {
        public Task<string> AskAsync(CancellationToken cancellation) => ask(cancellation);

        public void Dispose() => close();
    }

    private sealed class HttpTransport(Version version) : TlsTransport
    {
        public override async Task<(IAsyncDisposable Server, int Port)> ServeAsync(X509Source source, AuthorizedPeers clients)
        {
            var app = Build(source, clients, _ => { });
            app.MapGet("/", (HttpContext http) => $"{http.GetPeerSpiffeId()}");
            await app.StartAsync();
            return (app, new Uri(app.Urls.First()).Port);
        }

        public override Session Open(int port, X509Source source, AuthorizedPeers servers)
        {
            var http = new HttpClient(SpiffeTls.CreateHandler(source, servers))
            {
                DefaultRequestVersion = version,
                DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
            };
            return new Session(cancellation => http.GetStringAsync(new Uri($"https://127.0.0.1:{port}/"), cancellation), http.Dispose);
        }
    }

    private sealed class GrpcTransport : TlsTransport
    {
        public override async Task<(IAsyncDisposable Server, int Port)> ServeAsync(X509Source source, AuthorizedPeers clients)
        {
            var app = Build(source, clients, services => services.AddGrpc());
            app.MapGrpcService<WhoAmI>();
            await app.StartAsync();
            return (app, new Uri(app.Urls.First()).Port);
        }

        public override Session Open(int port, X509Source source, AuthorizedPeers servers)
        {
            var channel = SpiffeTls.CreateChannel(new Uri($"https://127.0.0.1:{port}"), source, servers);
            var client = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel);
            return new Session(
                async cancellation => (await client.ValidateJWTSVIDAsync(new ValidateJWTSVIDRequest(), cancellationToken: cancellation)).SpiffeId, channel.Dispose);
        }

        private sealed class WhoAmI : SpiffeWorkloadAPI.SpiffeWorkloadAPIBase
        {
            public override Task<ValidateJWTSVIDResponse> ValidateJWTSVID(ValidateJWTSVIDRequest request, ServerCallContext context) =>
                Task.FromResult(new ValidateJWTSVIDResponse { SpiffeId = $"{context.GetHttpContext().GetPeerSpiffeId()}" });
        }
    }

    private sealed class StreamTransport : TlsTransport
    {
        public override Task<(IAsyncDisposable Server, int Port)> ServeAsync(X509Source source, AuthorizedPeers clients)
        {
            var server = new StreamServer(source, clients);
            return Task.FromResult<(IAsyncDisposable, int)>((server, server.Port));
        }

        public override Session Open(int port, X509Source source, AuthorizedPeers servers)
        {
            SpiffeTlsConnection? connection = null;
            return new Session(
                async cancellation =>
                {
                    if (connection is null)
                    {
                        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                        await socket.ConnectAsync(IPAddress.Loopback, port, cancellation);
                        connection = await SpiffeTls.ConnectAsync(new NetworkStream(socket, ownsSocket: true), source, servers, cancellation);
                    }

                    await connection.Stream.WriteAsync("?"u8.ToArray(), cancellation);
                    var answer = new List<byte>();
                    var next = new byte[1];
                    while (await connection.Stream.ReadAsync(next, cancellation) == 1 && next[0] != '\n') answer.Add(next[0]);
                    return next[0] == '\n' ? Encoding.ASCII.GetString([.. answer]) : throw new IOException("the server closed the connection");
                },
                () => connection?.Stream.Dispose());
        }
    }

    private sealed class StreamServer : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stopping = new();
        private readonly Task _running;

        public StreamServer(X509Source source, AuthorizedPeers clients)
        {
            _listener.Start();
            _running = RunAsync(source, clients);
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            _listener.Dispose();
            await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _stopping.Dispose();
        }

        private async Task RunAsync(X509Source source, AuthorizedPeers clients)
        {
            var connections = new List<Task>();
            try
            {
                while (true) connections.Add(ServeAsync(await _listener.AcceptSocketAsync(_stopping.Token), source, clients));
            }
            finally
            {
                await Task.WhenAll(connections).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        private async Task ServeAsync(Socket socket, X509Source source, AuthorizedPeers clients)
        {
            await using var connection = await SpiffeTls.AcceptAsync(new NetworkStream(socket, ownsSocket: true), source, clients, _stopping.Token);
            var question = new byte[1];
            while (await connection.Stream.ReadAsync(question, _stopping.Token) == 1)
                await connection.Stream.WriteAsync(Encoding.ASCII.GetBytes($"{connection.Peer}\n"), _stopping.Token);
        }
    }

    private static WebApplication Build(X509Source source, AuthorizedPeers clients, Action<IServiceCollection> configure)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSpiffeTls();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseSpiffeTls(source, clients)));
        configure(builder.Services);
        return builder.Build();
    }
}
