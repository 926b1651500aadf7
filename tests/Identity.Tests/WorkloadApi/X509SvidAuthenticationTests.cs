using System.Net;
using Google.Protobuf;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

public sealed class X509SvidAuthenticationTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new(issuingLifetime: TimeSpan.FromHours(3));
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private readonly List<IAsyncDisposable> _owned = [];
    private FakeWorkloadApi _api = null!;
    private X509Source _server = null!;
    private WebApplication _app = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private SpiffeId ServerId => _authority.Id("/server");

    public async ValueTask InitializeAsync()
    {
        _api = Own(await FakeWorkloadApi.StartAsync());
        _api.Serve(Serving(_authority));
        _server = Own(await X509Source.CreateAsync(_api.ClientOptions(_clock), cancellation: Cancellation));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSpiffeTls();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseSpiffeTls(_server, AuthorizedPeers.MembersOf(_authority.TrustDomain)));
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        builder.Services.AddAuthentication(SpiffeAuthentication.X509Scheme).AddX509Svid();
        builder.Services.AddAuthorization();
        _app = Own(builder.Build());
        _app.MapGet("/", (HttpContext http) => $"{http.User.Identity?.Name}|{http.User.GetSpiffeId()}|{http.GetPeerSpiffeId()}").RequireAuthorization();
        _app.MapGet("/admins", () => "in").RequireSpiffeId(AuthorizedPeers.Under(_authority.Id("/admins")));
        await _app.StartAsync(Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
    }

    [Fact]
    public async Task The_principal_is_named_by_its_spiffe_id()
    {
        using var http = await ClientAsync("/admins/a");
        Assert.Equal("spiffe://example.org/admins/a|spiffe://example.org/admins/a|spiffe://example.org/admins/a", await http.GetStringAsync("/", Cancellation));
    }

    [Theory]
    [InlineData("/admins/a", HttpStatusCode.OK)]
    [InlineData("/admins-too/a", HttpStatusCode.Forbidden)]
    [InlineData("/users/a", HttpStatusCode.Forbidden)]
    public async Task A_policy_admits_by_spiffe_id(string path, HttpStatusCode expected)
    {
        using var http = await ClientAsync(path);
        Assert.Equal(expected, (await http.GetAsync("/admins", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task Nobody_is_authenticated_on_an_endpoint_in_the_clear()
    {
        using var http = new HttpClient { BaseAddress = new Uri(_app.Urls.Last()) };
        using var response = await http.GetAsync("/", Cancellation);
        Assert.Equal((HttpStatusCode.Unauthorized, ""), (response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation)));
        Assert.Equal("X509-SVID", response.Headers.WwwAuthenticate.ToString());
    }

    [Fact]
    public async Task An_open_connection_authenticates_nobody_once_its_svid_has_expired()
    {
        using var http = await ClientAsync("/admins/a");
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/admins", Cancellation)).StatusCode);
        _clock.Advance(TimeSpan.FromHours(2));
        await AssertNobodyAsync(http);
    }

    [Fact]
    public async Task An_open_connection_authenticates_nobody_once_an_authority_above_its_svid_has_expired()
    {
        using var http = await ClientAsync("/admins/a", TimeSpan.FromDays(1));
        _clock.Advance(TimeSpan.FromHours(2));
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/admins", Cancellation)).StatusCode);
        _clock.Advance(TimeSpan.FromHours(2));
        await AssertNobodyAsync(http);
    }

    [Fact]
    [Trait("rule", "WLAPI-10")]
    [Trait("rule", "WLAPI-19")]
    public async Task An_open_connection_authenticates_nobody_once_its_authority_is_withdrawn()
    {
        using var http = await ClientAsync("/admins/a");
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/admins", Cancellation)).StatusCode);

        // The same bundle again changes nothing; another authority does.
        await PushAsync(_authority);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/admins", Cancellation)).StatusCode);
        await PushAsync(new TestAuthority());
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("/admins", Cancellation)).StatusCode);
    }

    // The server ends the connection, and the client finds no other; or its request comes before that.
    private static async Task AssertNobodyAsync(HttpClient http)
    {
        try
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("/admins", Cancellation)).StatusCode);
        }
        catch (HttpRequestException)
        {
            await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync("/admins", Cancellation));
        }
    }

    private X509SVIDResponse Serving(TestAuthority trusted)
    {
        var svid = _authority.IssueX509(ServerId, TimeSpan.FromDays(1));
        svid.Bundle = ByteString.CopyFrom(trusted.X509Bundle);
        return new X509SVIDResponse { Svids = { svid } };
    }

    private async Task PushAsync(TestAuthority trusted)
    {
        var before = _server.Current;
        _api.Serve(Serving(trusted));
        await X509SourceTests.Until(_server, context => !ReferenceEquals(context, before));
    }

    // One connection, kept open.
    private async Task<HttpClient> ClientAsync(string path, TimeSpan? lifetime = null)
    {
        var api = Own(await FakeWorkloadApi.StartAsync());
        api.Serve(new X509SVIDResponse { Svids = { _authority.IssueX509(_authority.Id(path), lifetime) } });
        var source = Own(await X509Source.CreateAsync(api.ClientOptions(), cancellation: Cancellation));
        return new HttpClient(SpiffeTls.CreateHandler(source, AuthorizedPeers.Exactly(ServerId)))
        {
            BaseAddress = new Uri($"https://127.0.0.1:{new Uri(_app.Urls.First()).Port}"),
        };
    }

    private T Own<T>(T disposable)
        where T : IAsyncDisposable
    {
        _owned.Add(disposable);
        return disposable;
    }
}
