using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
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

/// <summary>Parts of docs/sdk.md, run here.</summary>
public sealed class SdkSnippets
{
    [Fact]
    public async Task A_token_from_the_source_authenticates_at_the_server()
    {
        var authority = new TestAuthority();
        await using var api = await FakeWorkloadApi.StartAsync();
        api.Serve(new JWTBundlesResponse { Bundles = { ["spiffe://example.org"] = ByteString.CopyFrom(authority.JwtBundle) } });
        api.Serve(new X509BundlesResponse { Bundles = { ["spiffe://example.org"] = ByteString.CopyFrom(authority.X509Bundle) } });
        api.ServeJwt(request => Task.FromResult(new JWTSVIDResponse
        {
            Svids = { authority.IssueJwt(authority.Id("/billing/a"), request.Audience, TimeProvider.System.GetUtcNow().AddMinutes(5)) },
        }));
        var options = api.ClientOptions();
        var cancellation = TestContext.Current.CancellationToken;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));

        // <authentication>
        await using var bundles = await BundleSource.CreateAsync(options);
        builder.Services.AddAuthorization();
        builder.Services.AddAuthentication(SpiffeAuthentication.JwtScheme).AddJwtSvid(jwt =>
        {
            jwt.Audience = "spiffe://example.org/server";
            jwt.Bundles = () => bundles.Jwt;
        });
        await using var app = builder.Build();
        app.MapGet("/invoices", (HttpContext http) => $"invoices of {http.User.GetSpiffeId()}")
            .RequireSpiffeId(AuthorizedPeers.Under(SpiffeId.Parse("spiffe://example.org/billing")));
        // </authentication>

        await app.StartAsync(cancellation);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };

        // <tokens>
        using var tokens = new JwtSource(options);
        var svid = await tokens.GetAsync("spiffe://example.org/server");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/invoices");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", svid.Token);
        using var response = await http.SendAsync(request);
        // </tokens>

        Assert.Equal("invoices of spiffe://example.org/billing/a", await response.Content.ReadAsStringAsync(cancellation));
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("/invoices", cancellation)).StatusCode);
    }
}
