using System.Net;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>HTTP/3 makes connections of its own, round ours and the check of the peer; no request may get there, whoever asks for it.</summary>
public sealed class Http3Tests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private Party _party = null!;
    private WebApplication _app = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _party = await Party.StartAsync(_authority.Respond(_authority.Id("/a")));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("https://127.0.0.1:0").UseSpiffeTls(_party.Source, AuthorizedPeers.MembersOf(_authority.TrustDomain));
        _app = builder.Build();
        _app.MapGet("/", (HttpContext http) =>
        {
            http.Response.Headers.AltSvc = $"h3=\":{http.Connection.LocalPort}\"; ma=86400";
            return http.Request.Protocol;
        });
        await _app.StartAsync(Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await _party.DisposeAsync();
    }

    [Theory]
    [InlineData(HttpVersionPolicy.RequestVersionExact, false)]
    [InlineData(HttpVersionPolicy.RequestVersionOrHigher, false)]
    [InlineData(HttpVersionPolicy.RequestVersionExact, true)]
    public async Task A_request_that_must_be_http_3_is_refused_in_words(HttpVersionPolicy policy, bool isSynchronous)
    {
        using var http = Client();
        using var request = Request(HttpVersion.Version30, policy);
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => SendAsync(http, request, isSynchronous));
        Assert.Equal("SPIFFE mTLS is not supported over HTTP/3; ask for version 2.0 or 1.1", e.Message);
    }

    [Theory]
    [InlineData("3.0", HttpVersionPolicy.RequestVersionOrLower)]
    [InlineData("2.0", HttpVersionPolicy.RequestVersionOrHigher)]
    [InlineData("1.1", HttpVersionPolicy.RequestVersionOrHigher)]
    public async Task A_request_that_may_be_http_3_goes_over_http_2_however_often_the_server_offers_more(string version, HttpVersionPolicy policy)
    {
        using var http = Client();
        for (var i = 0; i < 3; i++)
        {
            using var request = Request(Version.Parse(version), policy);
            Assert.Equal("HTTP/2", await SendAsync(http, request, isSynchronous: false));

            // What was handed on leaves no room for more.
            Assert.Equal(HttpVersion.Version20, request.Version);
            Assert.NotEqual(HttpVersionPolicy.RequestVersionOrHigher, request.VersionPolicy);
        }
    }

    [Fact]
    public async Task Tls_that_is_not_ours_trusts_nobody()
    {
        SocketsHttpHandler? used = null;
        using var http = Client(handler =>
        {
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is null;
            used = handler;
        });
        await http.GetStringAsync(_app.Urls.First(), Cancellation);
        Assert.False(used!.SslOptions.RemoteCertificateValidationCallback!(this, null, null, System.Net.Security.SslPolicyErrors.None));
    }

    private HttpClient Client(Action<SocketsHttpHandler>? configure = null) =>
        new(SpiffeTls.CreateHandler(_party.Source, AuthorizedPeers.Exactly(_authority.Id("/a")), configure: configure));

    private HttpRequestMessage Request(Version version, HttpVersionPolicy policy) => new(HttpMethod.Get, _app.Urls.First()) { Version = version, VersionPolicy = policy };

    private static async Task<string> SendAsync(HttpClient http, HttpRequestMessage request, bool isSynchronous)
    {
#pragma warning disable CA1849, xUnit1031 // The synchronous way is what is tried.
        using var response = isSynchronous ? http.Send(request, Cancellation) : await http.SendAsync(request, Cancellation);
#pragma warning restore CA1849, xUnit1031
        return await response.Content.ReadAsStringAsync(Cancellation);
    }
}
