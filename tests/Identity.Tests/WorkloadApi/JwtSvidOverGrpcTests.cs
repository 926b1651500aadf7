using System.Net;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Testing.WorkloadApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

[Trait("rule", "JWT-16")]
public sealed class JwtSvidOverGrpcTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private WebApplication _app = null!;
    private GrpcChannel _channel = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public async ValueTask InitializeAsync()
    {
        Assert.True(TrustBundle.TryParseJwt(_authority.TrustDomain, _authority.JwtBundle, out var bundle, out var problem), problem);
        var bundles = new TrustBundleSet(bundle);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddAuthentication(SpiffeAuthentication.JwtScheme).AddJwtSvid(options =>
        {
            options.Audience = "api";
            options.Bundles = () => bundles;
        });
        builder.Services.AddAuthorizationBuilder().AddPolicy(WhoAmI.Admins, policy => policy.RequireSpiffeId(AuthorizedPeers.Under(_authority.Id("/admins"))));
        _app = builder.Build();
        _app.MapGrpcService<WhoAmI>();
        await _app.StartAsync(Cancellation);
        _channel = GrpcChannel.ForAddress(_app.Urls.First());
    }

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _app.DisposeAsync();
    }

    [Theory]
    [InlineData("authorization", "Bearer")]
    [InlineData("authorization", "bearer")]
    [InlineData("Authorization", "Bearer")]
    public async Task A_token_in_the_metadata_names_the_caller(string key, string scheme) =>
        Assert.Equal("spiffe://example.org/admins/a", await AskAsync(new Metadata { { key, $"{scheme} {Token()}" } }));

    [Fact]
    public async Task The_channel_may_ask_for_a_token_with_every_call()
    {
        var asked = 0;
        var each = CallCredentials.FromInterceptor((_, metadata) =>
        {
            metadata.Add("authorization", $"Bearer {Token($"/admins/{++asked}")}");
            return Task.CompletedTask;
        });
        using var channel = GrpcChannel.ForAddress(_app.Urls.First(), new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Create(ChannelCredentials.Insecure, each),
            UnsafeUseInsecureChannelCallCredentials = true,
        });
        Assert.Equal("spiffe://example.org/admins/1", await AskAsync([], channel));
        Assert.Equal("spiffe://example.org/admins/2", await AskAsync([], channel));
    }

    [Fact]
    public async Task A_caller_whose_id_is_not_admitted_is_denied() =>
        Assert.Equal(StatusCode.PermissionDenied, (await RefusedAsync(Bearer(Token("/users/a")))).StatusCode);

    public static TheoryData<string> Flaws =>
        ["no metadata", "no scheme", "another scheme", "another key", "another audience", "expired", "another authority", "no signature", "two tokens", "a good and a bad one"];

    [Theory]
    [MemberData(nameof(Flaws))]
    public async Task Refuses_without_saying_why(string flaw)
    {
        var refused = await RefusedAsync(flaw switch
        {
            "no metadata" => [],
            "no scheme" => new Metadata { { "authorization", Token() } },
            "another scheme" => new Metadata { { "authorization", $"Basic {Token()}" } },
            "another key" => new Metadata { { "x-authorization", $"Bearer {Token()}" } },
            "another audience" => Bearer(Token(audience: "payroll")),
            "expired" => Bearer(Token(expiresAt: Now.AddMinutes(-1))),
            "another authority" => Bearer(new TestAuthority().IssueJwt(_authority.Id("/admins/a"), ["api"], Now.AddMinutes(5)).Svid),
            "no signature" => Bearer(Token()[..(Token().LastIndexOf('.') + 1)]),
            "two tokens" => new Metadata { { "authorization", $"Bearer {Token()}" }, { "authorization", $"Bearer {Token()}" } },
            _ => new Metadata { { "authorization", $"Bearer {Token()}" }, { "authorization", "Basic eDp5" } },
        });
        Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);
        Assert.DoesNotContain("eyJ", refused.ToString(), StringComparison.Ordinal);
    }

    private static Metadata Bearer(string token) => new() { { "authorization", $"Bearer {token}" } };

    private string Token(string path = "/admins/a", string audience = "api", DateTimeOffset? expiresAt = null) =>
        _authority.IssueJwt(_authority.Id(path), [audience], expiresAt ?? Now.AddMinutes(5)).Svid;

    private async Task<RpcException> RefusedAsync(Metadata metadata) => await Assert.ThrowsAsync<RpcException>(() => AskAsync(metadata));

    private async Task<string> AskAsync(Metadata metadata, GrpcChannel? channel = null)
    {
        var client = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel ?? _channel);
        return (await client.ValidateJWTSVIDAsync(new ValidateJWTSVIDRequest(), metadata, cancellationToken: Cancellation)).SpiffeId;
    }

    /// <summary>Some gRPC service of a workload; it answers with the SPIFFE ID that the token proved.</summary>
    [Authorize(Admins)]
    private sealed class WhoAmI : SpiffeWorkloadAPI.SpiffeWorkloadAPIBase
    {
        public const string Admins = "admins";

        public override Task<ValidateJWTSVIDResponse> ValidateJWTSVID(ValidateJWTSVIDRequest request, ServerCallContext context) =>
            Task.FromResult(new ValidateJWTSVIDResponse { SpiffeId = $"{context.GetHttpContext().User.GetSpiffeId()}" });
    }
}
