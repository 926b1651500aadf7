using System.Net;
using System.Net.Sockets;
using System.Security.Claims;
using System.Text;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Options;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

public sealed class JwtSvidAuthenticationTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly FakeLogCollector _log = new();
    private TrustBundleSet _bundles = TrustBundleSet.Empty;
    private WebApplication _app = null!;
    private HttpClient _http = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public async ValueTask InitializeAsync()
    {
        _bundles = new TrustBundleSet(BundleOf(_authority));
        _app = Build(options =>
        {
            options.Audience = "api";
            options.Bundles = () => _bundles;
        });
        await _app.StartAsync(Cancellation);
        _http = new HttpClient { BaseAddress = new Uri(_app.Urls.First()) };
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    [Trait("rule", "JWT-15")]
    public async Task The_principal_is_named_by_its_spiffe_id()
    {
        var (status, body, _) = await AskAsync("/", $"Bearer {Token()}");
        Assert.Equal((HttpStatusCode.OK, "spiffe://example.org/admins/a|spiffe://example.org/admins/a|example.org|JWT-SVID"), (status, body));
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("/", $"bearer {Token()}")).Status);
    }

    [Theory]
    [InlineData("/admins/a", HttpStatusCode.OK)]
    [InlineData("/admins", HttpStatusCode.Forbidden)]
    [InlineData("/admins-too/a", HttpStatusCode.Forbidden)]
    [InlineData("/users/a", HttpStatusCode.Forbidden)]
    public async Task A_policy_admits_by_spiffe_id(string path, HttpStatusCode expected)
    {
        foreach (var address in new[] { "/admins", "/by-policy" })
            Assert.Equal(expected, (await AskAsync(address, $"Bearer {Token(path)}")).Status);
    }

    [Fact]
    public async Task A_claim_that_says_spiffe_id_is_not_a_spiffe_id()
    {
        // The sample handler below accepts anyone and claims whatever it is told.
        Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync("/impostor", "Impostor spiffe://example.org/admins/a")).Status);
        Assert.Null(new ClaimsPrincipal(new ClaimsIdentity([new Claim("spiffe_id", "spiffe://example.org/admins/a")], "JWT-SVID", "spiffe_id", null)).GetSpiffeId());
    }

    public static TheoryData<string> Refused =>
    [
        "nothing", "another audience", "expired", "another authority", "unknown trust domain", "tampered", "no signature", "two parts", "empty token",
        "two spaces", "two tokens", "too long", "not base64url", "basic", "trailing space", "no scheme",
    ];

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Refuses_without_saying_why(string flaw)
    {
        var header = Header(flaw);
        var (status, body, challenge) = await AskAsync("/", header);
        Assert.Equal((HttpStatusCode.Unauthorized, "", "Bearer realm=\"spiffe\""), (status, body, challenge));
        Assert.DoesNotContain(_log.GetSnapshot(), entry => entry.ToString().Contains("eyJ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Refuses_several_authorization_headers_even_if_one_is_good()
    {
        var good = $"Authorization: Bearer {Token()}\r\n";
        Assert.StartsWith("HTTP/1.1 200", await SendRawAsync(good), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 401", await SendRawAsync(good + good), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 401", await SendRawAsync(good + "Authorization: Basic eDp5\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 401", await SendRawAsync("authorization: Basic eDp5\r\n" + good), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_withdrawn_bundle_counts_with_the_next_request()
    {
        var header = $"Bearer {Token()}";
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("/", header)).Status);
        _bundles = TrustBundleSet.Empty;
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("/", header)).Status);
    }

    public static TheoryData<string> Misconfigured => ["no audience", "no bundles", "too much leeway", "negative leeway"];

    [Theory]
    [MemberData(nameof(Misconfigured))]
    public async Task A_host_that_is_configured_wrong_does_not_start(string flaw)
    {
        await using var app = Build(options =>
        {
            if (flaw != "no audience") options.Audience = "api";
            if (flaw != "no bundles") options.Bundles = () => _bundles;
            if (flaw == "too much leeway") options.Leeway = TimeSpan.FromSeconds(61);
            if (flaw == "negative leeway") options.Leeway = TimeSpan.FromSeconds(-1);
        });
        await Assert.ThrowsAnyAsync<Exception>(() => app.StartAsync(Cancellation));
    }

    private static TrustBundle BundleOf(TestAuthority authority) =>
        TrustBundle.TryParseJwt(authority.TrustDomain, authority.JwtBundle, out var bundle, out var problem) ? bundle : throw new InvalidOperationException(problem);

    private string Token(string path = "/admins/a", string audience = "api", DateTimeOffset? expiresAt = null) =>
        _authority.IssueJwt(_authority.Id(path), [audience], expiresAt ?? Now.AddMinutes(5)).Svid;

    private string? Header(string flaw) => flaw switch
    {
        "nothing" => null,
        "another audience" => $"Bearer {Token(audience: "payroll")}",
        "expired" => $"Bearer {Token(expiresAt: Now.AddMinutes(-1))}",
        "another authority" => $"Bearer {Foreign("example.org")}",
        "unknown trust domain" => $"Bearer {Foreign("stranger.test")}",
        "tampered" => $"Bearer {Token("/users/a").Split('.')[0]}.{Token().Split('.')[1]}.{Token("/users/a").Split('.')[2]}",
        "no signature" => $"Bearer {Token()[..Token().LastIndexOf('.')]}.",
        "two parts" => $"Bearer {Token()[..Token().LastIndexOf('.')]}",
        "empty token" => "Bearer ",
        "two spaces" => $"Bearer  {Token()}",
        "two tokens" => $"Bearer {Token()}, Bearer {Token()}",
        "too long" => $"Bearer {Token()}{new string('A', JwtSvid.MaxTokenLength)}",
        "not base64url" => $"Bearer {Token()}=",
        "basic" => $"Basic {Token()}",
        "trailing space" => $"Bearer {Token()} x",
        _ => Token(),
    };

    private static string Foreign(string trustDomain)
    {
        var authority = new TestAuthority(trustDomain);
        return authority.IssueJwt(authority.Id("/admins/a"), ["api"], Now.AddMinutes(5)).Svid;
    }

    private WebApplication Build(Action<JwtSvidAuthenticationOptions> configure)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Trace).AddProvider(new FakeLoggerProvider(_log));
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddAuthentication(SpiffeAuthentication.JwtScheme).AddJwtSvid(configure)
            .AddScheme<AuthenticationSchemeOptions, ImpostorHandler>("Impostor", null);
        var admins = AuthorizedPeers.Under(_authority.Id("/admins"));
        builder.Services.AddAuthorizationBuilder().AddPolicy("admins", policy => policy.RequireSpiffeId(admins))
            .AddPolicy("impostor", policy => policy.AddAuthenticationSchemes("Impostor").RequireSpiffeId(admins));
        var app = builder.Build();
        app.MapGet("/", (HttpContext http) =>
            $"{http.User.Identity!.Name}|{http.User.GetSpiffeId()}|{http.User.FindFirstValue(SpiffeAuthentication.TrustDomainClaim)}|{http.User.Identity.AuthenticationType}")
            .RequireAuthorization();
        app.MapGet("/admins", () => "in").RequireSpiffeId(admins);
        app.MapGet("/by-policy", () => "in").RequireAuthorization("admins");
        app.MapGet("/impostor", () => "in").RequireAuthorization("impostor");
        return app;
    }

    private async Task<(HttpStatusCode Status, string Body, string Challenge)> AskAsync(string path, string? authorization)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (authorization is not null) Assert.True(request.Headers.TryAddWithoutValidation("Authorization", authorization));
        using var response = await _http.SendAsync(request, Cancellation);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation), response.Headers.WwwAuthenticate.ToString());
    }

    private async Task<string> SendRawAsync(string headers)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, _http.BaseAddress!.Port, Cancellation);
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"), Cancellation);
        using var reader = new StreamReader(socket.GetStream());
        return await reader.ReadToEndAsync(Cancellation);
    }

    private sealed class ImpostorHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, System.Text.Encodings.Web.UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
        {
            var claimed = Request.Headers.Authorization.ToString()["Impostor ".Length..];
            var identity = new ClaimsIdentity([new Claim(SpiffeAuthentication.IdClaim, claimed)], SpiffeAuthentication.JwtScheme, SpiffeAuthentication.IdClaim, null);
            return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme.Name)));
        }
    }
}
