using System.Net;
using System.Net.Sockets;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>A host of which every endpoint is to be served over mTLS, and the ways in which Kestrel would leave one out.</summary>
public sealed class EveryEndpointTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly FakeLogCollector _log = new();
    private Party _server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private AuthorizedPeers Anyone => AuthorizedPeers.MembersOf(_authority.TrustDomain);

    public async ValueTask InitializeAsync() => _server = await Party.StartAsync(_authority.Respond(_authority.Id("/server")));

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public Task An_endpoint_that_was_told_to_listen_before_keeps_the_host_from_starting() => AssertNotServedAsync(web =>
    {
        web.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        web.UseSpiffeTls(_server.Source, Anyone);
    });

    [Fact]
    public Task Endpoint_defaults_that_replace_ours_keep_the_host_from_starting() => AssertNotServedAsync(web =>
    {
        web.UseUrls("http://127.0.0.1:0").UseSpiffeTls(_server.Source, Anyone);
        web.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = HttpProtocols.Http1));
    });

    [Fact]
    public Task One_endpoint_of_two_is_enough_to_keep_the_host_from_starting() => AssertNotServedAsync(web =>
    {
        web.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        web.UseSpiffeTls(_server.Source, Anyone);
        web.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
    });

    [Theory]
    [InlineData("https://127.0.0.1:0")]
    [InlineData("https://*:0")]
    [InlineData("https://localhost:free")]
    public async Task An_endpoint_is_covered_however_it_is_named(string url)
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var app = Build(web => web.UseUrls(url.Replace("free", $"{FreePort()}", StringComparison.Ordinal)).UseSpiffeTls(_server.Source, Anyone));
            try
            {
                await app.StartAsync(Cancellation);
            }
            catch (IOException e) when (e.InnerException is AddressInUseException && attempt < 5)
            {
                continue;
            }

            await AssertGreetedAsync(new Uri(app.Urls.First()).Port);
            return;
        }
    }

    [Fact]
    public async Task An_endpoint_that_says_it_itself_is_covered_although_it_was_told_before()
    {
        await using var app = Build(web =>
        {
            web.ConfigureServices(services => services.AddSpiffeTls());
            web.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseSpiffeTls(_server.Source, Anyone)));
            web.UseSpiffeTls(_server.Source, Anyone);
        });
        await app.StartAsync(Cancellation);
        await AssertGreetedAsync(new Uri(app.Urls.First()).Port);
    }

    [Fact]
    public async Task Beside_an_endpoint_that_says_it_itself_others_are_let_be()
    {
        await using var app = Build(web =>
        {
            web.ConfigureServices(services => services.AddSpiffeTls());
            web.ConfigureKestrel(kestrel =>
            {
                kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseSpiffeTls(_server.Source, Anyone));
                kestrel.Listen(IPAddress.Loopback, 0);
            });
        });
        await app.StartAsync(Cancellation);
        using var http = new HttpClient();
        Assert.Equal("hello ", await http.GetStringAsync(app.Urls.Last(), Cancellation));
    }

    private async Task AssertNotServedAsync(Action<IWebHostBuilder> configure)
    {
        var early = new EarlyClient();
        await using var app = Build(configure, services => services.AddHostedService(provider => early.Of(provider)));
        var e = await Assert.ThrowsAsync<InvalidOperationException>(() => app.StartAsync(Cancellation));
        Assert.StartsWith($"{early.Address} would be served without mTLS", e.Message, StringComparison.Ordinal);

        // What came before that was known.
        Assert.Equal((HttpStatusCode.Unauthorized, ""), early.Answer);
        Assert.Contains(
            $"Refused a request to 127.0.0.1:{new Uri(early.Address!).Port}, which is served without mTLS: UseSpiffeTls is to cover every endpoint",
            _log.GetSnapshot().Where(entry => entry.Level == LogLevel.Warning).Select(entry => entry.Message));
    }

    private WebApplication Build(Action<IWebHostBuilder> configure, Action<IServiceCollection>? services = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().Services.AddSingleton<ILoggerProvider>(new FakeLoggerProvider(_log));
        services?.Invoke(builder.Services);
        configure(builder.WebHost);
        var app = builder.Build();
        app.MapGet("/", (HttpContext http) => $"hello {http.GetPeerSpiffeId()}");
        return app;
    }

    private async Task AssertGreetedAsync(int port)
    {
        await using var client = await Party.StartAsync(_authority.Respond(_authority.Id("/client")));
        using var http = new HttpClient(SpiffeTls.CreateHandler(client.Source, Anyone));
        Assert.Equal("hello spiffe://example.org/client", await http.GetStringAsync($"https://127.0.0.1:{port}", Cancellation));
        using var bare = new HttpClient();
        await Assert.ThrowsAsync<HttpRequestException>(() => bare.GetStringAsync($"http://127.0.0.1:{port}", Cancellation));
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Asks the endpoint in the clear as soon as the server listens, before anybody else has a say in whether the host has started.</summary>
    private sealed class EarlyClient : IHostedLifecycleService
    {
        private IServiceProvider? _services;

        public string? Address { get; private set; }

        public (HttpStatusCode, string)? Answer { get; private set; }

        public EarlyClient Of(IServiceProvider services)
        {
            _services = services;
            return this;
        }

        public async Task StartedAsync(CancellationToken cancellationToken)
        {
            Address = _services!.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First(address => address.StartsWith("http:", StringComparison.Ordinal));
            using var http = new HttpClient();
            using var response = await http.GetAsync(Address, cancellationToken);
            Answer = (response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
        }

        public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
