using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>What the client makes of tokens and of verdicts on them.</summary>
public sealed class WorkloadApiTokensTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private FakeWorkloadApi _api = null!;
    private WorkloadApiClient _client = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeWorkloadApi.StartAsync();
        _client = new WorkloadApiClient(_api.ClientOptions());
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _api.DisposeAsync();
    }

    [Fact]
    [Trait("rule", "WLAPI-17")]
    public async Task Tokens_are_found_by_hint_and_the_first_is_the_default()
    {
        _api.ServeJwt(request =>
        {
            var response = new JWTSVIDResponse();
            foreach (var (path, hint) in new[] { ("/a", ""), ("/b", "internal"), ("/c", "internal") })
            {
                var svid = _authority.IssueJwt(_authority.Id(path), request.Audience, Later);
                svid.Hint = hint;
                response.Svids.Add(svid);
            }

            return Task.FromResult(response);
        });
        var svids = await _client.FetchJwtSvidsAsync(["nats"], null, Cancellation);
        Assert.Equal(["spiffe://example.org/a", "spiffe://example.org/b"], svids.Select(svid => svid.Id.ToString()));
        Assert.Equal((svids[0], svids[1]), (svids.Default, svids.FindByHint("internal")));
        Assert.Null(svids.FindByHint("external"));
    }

    [Fact]
    public async Task Fetches_tokens_for_the_audience_and_the_subject_asked_for()
    {
        JWTSVIDRequest? seen = null;
        _api.ServeJwt(request =>
        {
            seen = request;
            return Task.FromResult(new JWTSVIDResponse { Svids = { _authority.IssueJwt(_authority.Id("/a"), request.Audience, Later) } });
        });

        var svid = Assert.Single(await _client.FetchJwtSvidsAsync(["nats"], _authority.Id("/a"), Cancellation));

        Assert.Equal((_authority.Id("/a"), Later), (svid.Id, svid.ExpiresAt));
        Assert.Equal(("nats", "spiffe://example.org/a"), (Assert.Single(seen!.Audience), seen.SpiffeId));
        await Assert.ThrowsAsync<ArgumentException>(() => _client.FetchJwtSvidsAsync([], null, Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => _client.FetchJwtSvidsAsync([""], null, Cancellation));
    }

    [Theory]
    [InlineData("/a", "payroll")]
    [InlineData("/b", "nats")]
    public async Task Refuses_a_token_for_another_audience_or_subject(string path, string audience)
    {
        _api.ServeJwt(_ => Task.FromResult(new JWTSVIDResponse { Svids = { _authority.IssueJwt(_authority.Id(path), [audience], Later) } }));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _client.FetchJwtSvidsAsync(["nats"], _authority.Id("/a"), Cancellation));
        Assert.Equal(WorkloadApiFailure.MalformedResponse, e.Failure);
        Assert.DoesNotContain("eyJ", e.ToString(), StringComparison.Ordinal);
    }

    [Trait("rule", "WLAPI-29")]
    [Fact]
    public async Task A_refused_token_is_an_answer_not_a_fault()
    {
        _api.ServeValidation(request => request.Svid == "good"
            ? Verdict()
            : throw new RpcException(new Status(StatusCode.InvalidArgument, "token expired")));

        var valid = Assert.IsType<JwtSvidValidation.Valid>(await _client.ValidateJwtSvidAsync("good", "nats", Cancellation));
        Assert.Equal(_authority.Id("/a"), valid.Id);
        Assert.Contains("\"sub\"", System.Text.Encoding.UTF8.GetString(valid.ClaimsJson.Span), StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => _client.ValidateJwtSvidAsync("", "nats", Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => _client.ValidateJwtSvidAsync("good", "", Cancellation));
        var refused = Assert.IsType<JwtSvidValidation.Refused>(await _client.ValidateJwtSvidAsync("bad", "nats", Cancellation));
        Assert.Contains("token expired", refused.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no id")]
    [InlineData("an id that is none")]
    [InlineData("a trust domain")]
    [InlineData("no claims")]
    [InlineData("another subject")]
    [InlineData("no subject")]
    [InlineData("a subject that is no text")]
    [InlineData("no audience")]
    [InlineData("another audience")]
    [InlineData("other audiences")]
    [InlineData("an audience that is no text")]
    [InlineData("no expiry")]
    [InlineData("an expiry that is no number")]
    [InlineData("an expiry that is not finite")]
    [InlineData("expired")]
    [Trait("rule", "WLAPI-29")]
    public async Task Refuses_a_verdict_that_says_valid_of_claims_that_are_not(string flaw)
    {
        var response = Verdict();
        var claims = response.Claims.Fields;
        switch (flaw)
        {
            case "no id": response.SpiffeId = ""; break;
            case "an id that is none": (response.SpiffeId, claims["sub"]) = ("spiffe://example.org/a/", Value.ForString("spiffe://example.org/a/")); break;
            case "a trust domain": (response.SpiffeId, claims["sub"]) = ("spiffe://example.org", Value.ForString("spiffe://example.org")); break;
            case "no claims": response.Claims = null; break;
            case "another subject": response.SpiffeId = "spiffe://example.org/b"; break;
            case "no subject": claims.Remove("sub"); break;
            case "a subject that is no text": claims["sub"] = Value.ForList(claims["sub"]); break;
            case "no audience": claims.Remove("aud"); break;
            case "another audience": claims["aud"] = Value.ForString("Nats"); break;
            case "other audiences": claims["aud"] = Value.ForList(Value.ForString("nat"), Value.ForString("natss")); break;
            case "an audience that is no text": claims["aud"] = Value.ForList(Value.ForList(Value.ForString("nats"))); break;
            case "no expiry": claims.Remove("exp"); break;
            case "an expiry that is no number": claims["exp"] = Value.ForString("4000000000"); break;
            case "an expiry that is not finite": claims["exp"] = Value.ForNumber(double.PositiveInfinity); break;
            case "expired": claims["exp"] = Value.ForNumber(TimeProvider.System.GetUtcNow().AddSeconds(-11).ToUnixTimeSeconds()); break;
            default: Assert.Fail(flaw); break;
        }

        _api.ServeValidation(_ => response);
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _client.ValidateJwtSvidAsync("token", "nats", Cancellation));
        Assert.Equal(WorkloadApiFailure.MalformedResponse, e.Failure);
    }

    [Fact]
    [Trait("rule", "WLAPI-29")]
    public async Task Takes_a_verdict_for_one_of_several_audiences()
    {
        var response = Verdict();
        response.Claims.Fields["aud"] = Value.ForList(Value.ForString("other"), Value.ForString("nats"));
        _api.ServeValidation(_ => response);
        Assert.IsType<JwtSvidValidation.Valid>(await _client.ValidateJwtSvidAsync("token", "nats", Cancellation));
    }

    [Trait("rule", "WLAPI-15")]
    [Trait("rule", "WLAPI-27")]
    [Trait("rule", "WLAPI-30")]
    [Fact]
    public async Task Fetches_bundles_that_verify_tokens_and_nothing_else()
    {
        _api.Serve(new JWTBundlesResponse { Bundles = { ["spiffe://example.org"] = ByteString.CopyFrom(_authority.JwtBundle) } });
        _api.Serve(new X509BundlesResponse { Bundles = { ["spiffe://example.org"] = ByteString.CopyFrom(_authority.X509Bundle) } });
        var jwt = await _client.FetchJwtBundlesAsync(Cancellation);
        var x509 = await _client.FetchX509BundlesAsync(Cancellation);

        var token = _authority.IssueJwt(_authority.Id("/a"), ["nats"], Later).Svid;
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, "nats", jwt, TimeProvider.System.GetUtcNow()));
        var byRoot = _authority.IssueJwtWithRootKey(_authority.Id("/a"), ["nats"], Later).Svid;
        foreach (var either in new[] { token, byRoot })
        {
            var refused = Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(either, "nats", x509, TimeProvider.System.GetUtcNow()));
            Assert.Contains("has no JWT key", refused.Reason, StringComparison.Ordinal);
        }

        Assert.Empty(jwt.Bundles.Single().X509Authorities);
    }

    private static ValidateJWTSVIDResponse Verdict() => new()
    {
        SpiffeId = "spiffe://example.org/a",
        Claims = new Struct
        {
            Fields = { ["sub"] = Value.ForString("spiffe://example.org/a"), ["aud"] = Value.ForString("nats"), ["exp"] = Value.ForNumber(Later.ToUnixTimeSeconds()) },
        },
    };

    private static DateTimeOffset Later { get; } = DateTimeOffset.FromUnixTimeSeconds(TimeProvider.System.GetUtcNow().AddMinutes(5).ToUnixTimeSeconds());
}
