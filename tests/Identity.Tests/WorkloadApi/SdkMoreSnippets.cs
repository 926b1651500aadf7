using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

#pragma warning disable xUnit1051 // Cancellation would only distract the readers of the documentation.

namespace Identity.Tests.WorkloadApi;

/// <summary>Further parts of docs/sdk.md, run here.</summary>
public sealed class SdkMoreSnippets : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly AuthorizedPeers _server = AuthorizedPeers.Exactly(SpiffeId.Parse("spiffe://example.org/server"));
    private readonly AuthorizedPeers _clients = AuthorizedPeers.Exactly(SpiffeId.Parse("spiffe://example.org/client"));
    private FakeWorkloadApi _api = null!;
    private Party _serverSide = null!;
    private Party _clientSide = null!;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeWorkloadApi.StartAsync();
        _api.Serve(new JWTBundlesResponse { Bundles = { ["spiffe://example.org"] = ByteString.CopyFrom(_authority.JwtBundle) } });
        _api.Serve(new X509BundlesResponse { Bundles = { ["spiffe://example.org"] = ByteString.CopyFrom(_authority.X509Bundle) } });
        _api.ServeJwt(request => Task.FromResult(new JWTSVIDResponse
        {
            Svids = { _authority.IssueJwt(SpiffeId.Parse(request.SpiffeId), request.Audience, TimeProvider.System.GetUtcNow().AddMinutes(5)) },
        }));
        _serverSide = await Party.StartAsync(_authority.Respond(_authority.Id("/server")));
        _clientSide = await Party.StartAsync(_authority.Respond(_authority.Id("/client")));
    }

    public async ValueTask DisposeAsync()
    {
        await _clientSide.DisposeAsync();
        await _serverSide.DisposeAsync();
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task Streams_greet_each_other()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var tcp = new TcpClient();
        await tcp.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using var accepted = await listener.AcceptTcpClientAsync();
        var accepting = AcceptAsync(accepted, _serverSide.Source, _clients);
        var (source, server) = (_clientSide.Source, _server);

        // <connect>
        await using var connection = await SpiffeTls.ConnectAsync(tcp.GetStream(), source, server);
        using var reader = new StreamReader(connection.Stream);
        var greeting = await reader.ReadLineAsync();
        // </connect>

        Assert.Equal("hello spiffe://example.org/client", greeting);
        await accepting;
    }

    [Fact]
    public async Task A_service_takes_both_schemes_and_a_channel_gets_there()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("https://127.0.0.1:0").UseSpiffeTls(_serverSide.Source, _clients);
        await using var bundles = await BundleSource.CreateAsync(_api.ClientOptions());

        // <both>
        builder.Services.AddAuthorization();
        builder.Services.AddAuthentication().AddX509Svid().AddJwtSvid(jwt =>
        {
            jwt.Audience = "spiffe://example.org/server";
            jwt.Bundles = () => bundles.Jwt;
        });
        await using var app = builder.Build();
        app.MapGet("/invoices", (HttpContext http) => $"invoices of {http.User.GetSpiffeId()}")
            .RequireSpiffeId(AuthorizedPeers.MembersOf(TrustDomain.Parse("example.org")), SpiffeAuthentication.X509Scheme, SpiffeAuthentication.JwtScheme);
        // </both>

        await app.StartAsync();
        var (address, source, server) = (new Uri(app.Urls.First()), _clientSide.Source, _server);
        using var http = new HttpClient(SpiffeTls.CreateHandler(source, server)) { BaseAddress = address };
        Assert.Equal("invoices of spiffe://example.org/client", await http.GetStringAsync("/invoices"));

        // <channel>
        using var channel = SpiffeTls.CreateChannel(address, source, server);
        // </channel>

        // Nobody serves it there; that the HTTP answer reaches us at all means that both ends agreed on who they are.
        var e = await Assert.ThrowsAsync<RpcException>(async () => await new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel).ValidateJWTSVIDAsync(new ValidateJWTSVIDRequest()));
        Assert.Equal(StatusCode.Unimplemented, e.StatusCode);

        using var tokens = new JwtSource(_api.ClientOptions());

        // <subject>
        var svid = await tokens.GetAsync(["spiffe://example.org/server"], SpiffeId.Parse("spiffe://example.org/billing/a"));
        // </subject>

        using var request = new HttpRequestMessage(HttpMethod.Get, "/invoices");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", svid.Token);
        using var response = await http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact]
    public async Task A_rotation_is_seen()
    {
        var source = _clientSide.Source;
        var seen = WatchAsync(source);
        await _clientSide.PushAsync(_authority.Respond(_authority.Id("/client/2")));
        await source.DisposeAsync();
        await seen;
    }

    private static async Task AcceptAsync(TcpClient tcp, X509Source source, AuthorizedPeers clients)
    {
        // <accept>
        await using var connection = await SpiffeTls.AcceptAsync(tcp.GetStream(), source, clients);
        await using var writer = new StreamWriter(connection.Stream);
        await writer.WriteLineAsync($"hello {connection.Peer}");
        // </accept>
    }

    private static async Task WatchAsync(X509Source source)
    {
        // <watch>
        await foreach (var now in source.WatchAsync()) Console.WriteLine($"{now.Default?.Id} until {now.Default?.NotAfter:O}");
        // </watch>
    }
}
