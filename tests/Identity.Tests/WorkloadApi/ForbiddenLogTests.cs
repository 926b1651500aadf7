using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>A 403 tells the caller nothing; the log says who was refused what, and who would not have been. And one service with both schemes.</summary>
public sealed class ForbiddenLogTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly FakeLogCollector _log = new();
    private readonly List<IAsyncDisposable> _owned = [];
    private FakeWorkloadApi _api = null!;
    private Party _client = null!;
    private Uri _address = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _api = Own(await FakeWorkloadApi.StartAsync());
        _api.Serve(new JWTBundlesResponse { Bundles = { ["spiffe://example.org"] = ByteString.CopyFrom(_authority.JwtBundle) } });
        _api.Serve(new X509BundlesResponse { Bundles = { ["spiffe://example.org"] = ByteString.CopyFrom(_authority.X509Bundle) } });
        var bundles = Own(await BundleSource.CreateAsync(_api.ClientOptions(), Cancellation));
        var server = Own(await Party.StartAsync(_authority.Respond(_authority.Id("/server"))));
        _client = Own(await Party.StartAsync(_authority.Respond(_authority.Id("/a"))));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().Services.AddSingleton<ILoggerProvider>(new FakeLoggerProvider(_log));
        builder.WebHost.UseUrls("https://127.0.0.1:0").UseSpiffeTls(server.Source, AuthorizedPeers.MembersOf(_authority.TrustDomain));
        builder.Services.AddAuthentication().AddX509Svid().AddJwtSvid(jwt =>
        {
            jwt.Audience = "spiffe://example.org/server";
            jwt.Bundles = () => bundles.Jwt;
        });
        var boss = AuthorizedPeers.Exactly(_authority.Id("/boss"));
        builder.Services.AddAuthorization(options => options.AddPolicy("boss", new AuthorizationPolicyBuilder(SpiffeAuthentication.X509Scheme).RequireSpiffeId(boss).Build()));
        var app = Own(builder.Build());
        app.MapGet("/tls/{*rest}", () => "in").RequireSpiffeId(boss, SpiffeAuthentication.X509Scheme);
        app.MapGet("/named", () => "in").RequireAuthorization("boss");
        app.MapGet("/token", () => "in").RequireSpiffeId(boss, SpiffeAuthentication.JwtScheme);
        app.MapGet("/other", () => "in").RequireAuthorization(policy => policy.AddAuthenticationSchemes(SpiffeAuthentication.X509Scheme).RequireAssertion(_ => false));
        app.MapGet("/both", () => "in").RequireSpiffeId(AuthorizedPeers.Exactly(_authority.Id("/a")), SpiffeAuthentication.X509Scheme, SpiffeAuthentication.JwtScheme);
        await app.StartAsync(Cancellation);
        _address = new Uri(app.Urls.First());
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
    }

    [Theory]
    [InlineData("/tls/x?token=secret", "Forbidden: spiffe://example.org/a asked for \"/tls/x\"; expected spiffe://example.org/boss")]
    [InlineData("/tls/x%0Awarn: all is well%22", "Forbidden: spiffe://example.org/a asked for \"/tls/x%0Awarn:%20all%20is%20well%22\"; expected spiffe://example.org/boss")]
    [InlineData("/named", "Forbidden: spiffe://example.org/a asked for \"/named\"; expected spiffe://example.org/boss")]
    [InlineData("/other", "Forbidden: spiffe://example.org/a asked for \"/other\"; expected what the endpoint's policy asks for")]
    public async Task A_caller_by_tls_is_named(string path, string expected)
    {
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync(path, null));
        Assert.Equal(expected, Assert.Single(Told()));
    }

    [Fact]
    public async Task A_caller_by_token_is_named_and_its_token_is_not()
    {
        var token = Token("/b");
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync("/token", token));
        Assert.Equal("Forbidden: spiffe://example.org/b asked for \"/token\"; expected spiffe://example.org/boss", Assert.Single(Told()));
        Assert.DoesNotContain(_log.GetSnapshot(), entry => entry.Message.Contains(token.Split('.')[2], StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null, HttpStatusCode.OK)]
    [InlineData("/a", HttpStatusCode.OK)]
    [InlineData("/b", HttpStatusCode.Forbidden)]
    public async Task Where_both_schemes_know_the_caller_they_must_agree(string? tokenOf, HttpStatusCode expected)
    {
        Assert.Equal(expected, await AskAsync("/both", tokenOf is null ? null : Token(tokenOf)));
        Assert.Equal(expected == HttpStatusCode.OK ? 0 : 2, Told().Count);
    }

    private string Token(string path) => _authority.IssueJwt(_authority.Id(path), ["spiffe://example.org/server"], TimeProvider.System.GetUtcNow().AddMinutes(5)).Svid;

    private async Task<HttpStatusCode> AskAsync(string path, string? token)
    {
        using var http = new HttpClient(SpiffeTls.CreateHandler(_client.Source, AuthorizedPeers.Exactly(_authority.Id("/server"))));
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_address, path));
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await http.SendAsync(request, Cancellation);
        return response.StatusCode;
    }

    private List<string> Told() =>
        [.. _log.GetSnapshot().Where(entry => entry.Level == LogLevel.Information && entry.Message.StartsWith("Forbidden", StringComparison.Ordinal)).Select(entry => entry.Message)];

    private T Own<T>(T disposable)
        where T : IAsyncDisposable
    {
        _owned.Add(disposable);
        return disposable;
    }
}
