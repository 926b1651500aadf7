using System.Net;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>Ways to set up a server that would not keep what <see cref="SpiffeKestrelExtensions"/> promises.</summary>
public sealed class SpiffeKestrelTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private Party _server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private AuthorizedPeers Anyone => AuthorizedPeers.MembersOf(_authority.TrustDomain);

    public async ValueTask InitializeAsync() => _server = await Party.StartAsync(_authority.Respond(_authority.Id("/server")));

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task An_endpoint_of_its_own_is_not_served_without_the_check_of_each_request()
    {
        var e = await FailsToStartAsync(builder => builder.WebHost.ConfigureKestrel(
            kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseSpiffeTls(_server.Source, Anyone))));
        Assert.Contains("builder.Services.AddSpiffeTls()", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Http3_is_refused_whenever_an_endpoint_was_told_to_serve_it(bool before)
    {
        var e = await FailsToStartAsync(builder =>
        {
            builder.Services.AddSpiffeTls();
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                if (before) listen.Protocols = HttpProtocols.Http1AndHttp2AndHttp3;
                listen.UseSpiffeTls(_server.Source, Anyone);
                listen.Protocols = HttpProtocols.Http1AndHttp2AndHttp3;
            }));
        });
        Assert.Contains("Set the endpoint's Protocols to Http1AndHttp2", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Http3_is_refused_where_configuration_wants_it()
    {
        var e = await FailsToStartAsync(builder =>
        {
            builder.Configuration["Kestrel:Endpoints:One:Url"] = "https://127.0.0.1:0";
            builder.Configuration["Kestrel:Endpoints:One:Protocols"] = "Http1AndHttp2AndHttp3";
            builder.WebHost.UseSpiffeTls(_server.Source, Anyone);
        });
        Assert.Contains("HTTP/3", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Http1")]
    [InlineData("Http2")]
    [InlineData("Http1AndHttp2")]
    public async Task Other_protocols_are_served_as_configured(string protocols)
    {
        var builder = NewBuilder();
        builder.Configuration["Kestrel:Endpoints:One:Url"] = "https://127.0.0.1:0";
        builder.Configuration["Kestrel:Endpoints:One:Protocols"] = protocols;
        builder.WebHost.UseSpiffeTls(_server.Source, Anyone);
        await using var app = builder.Build();
        app.MapGet("/", (HttpContext http) => http.Request.Protocol);
        await app.StartAsync(Cancellation);
        await using var client = await Party.StartAsync(_authority.Respond(_authority.Id("/client")));
        using var http = new HttpClient(SpiffeTls.CreateHandler(client.Source, Anyone))
        {
            DefaultRequestVersion = HttpVersion.Version11,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionOrHigher,
        };
        Assert.Equal(protocols == "Http1" ? "HTTP/1.1" : "HTTP/2", await http.GetStringAsync(app.Urls.First(), Cancellation));
    }

    private static WebApplicationBuilder NewBuilder()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        return builder;
    }

    private static async Task<InvalidOperationException> FailsToStartAsync(Action<WebApplicationBuilder> configure)
    {
        var builder = NewBuilder();
        configure(builder);
        return await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await using var app = builder.Build();
            await app.StartAsync(Cancellation);
        });
    }
}
