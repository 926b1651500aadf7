using System.Security.Cryptography;
using System.Text.Json;
using Grpc.Core;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>SPIFFE Workload Endpoint §3 and Workload API §§4-7, seen from outside: raw calls to the shipped agent.</summary>
public sealed class WorkloadApiRules(AgentFixture agent)
{
    private const string Id = "spiffe://example.org/tests";
    private const string Audience = "spiffe://example.org/service";

    private static readonly Metadata Header = new() { { "workload.spiffe.io", "true" } };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static IEnumerable<TheoryDataRow<string>> Methods =>
        "FetchX509SVID FetchX509Bundles FetchJWTSVID FetchJWTBundles ValidateJWTSVID".Split(' ').Select(method => Rule.Row("WLEP-04", method));

    [Theory]
    [MemberData(nameof(Methods))]
    public async Task Without_the_header_every_call_is_an_invalid_argument(string method)
    {
        var client = await ClientAsync();
        foreach (var metadata in new Metadata[] { [], new() { { "workload.spiffe.io", "false" } }, new() { { "workload.spiffe.io", "True" } } })
        {
            var refused = await Assert.ThrowsAsync<RpcException>(() => method switch
            {
                "FetchX509SVID" => FirstAsync(client.FetchX509SVID(new(), metadata, cancellationToken: Cancellation)),
                "FetchX509Bundles" => FirstAsync(client.FetchX509Bundles(new(), metadata, cancellationToken: Cancellation)),
                "FetchJWTSVID" => client.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { Audience } }, metadata, cancellationToken: Cancellation).ResponseAsync,
                "FetchJWTBundles" => FirstAsync(client.FetchJWTBundles(new(), metadata, cancellationToken: Cancellation)),
                _ => client.ValidateJWTSVIDAsync(new() { Audience = Audience, Svid = "x" }, metadata, cancellationToken: Cancellation).ResponseAsync,
            });
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            // Not for want of a token, or of one that is good for anything.
            Assert.Contains("'workload.spiffe.io: true' is missing", refused.Status.Detail, StringComparison.Ordinal);
        }
    }

    // A caller without TLS, without a credential and without any part in finding out who it is.
    [Fact]
    [Trait(Rule.Trait, "WLEP-05")]
    [Trait(Rule.Trait, "WLEP-10")]
    [Trait(Rule.Trait, "WLEP-11")]
    [Trait(Rule.Trait, "WLAPI-01")]
    [Trait(Rule.Trait, "WLAPI-05")]
    [Trait(Rule.Trait, "WLAPI-13")]
    [Trait(Rule.Trait, "WLAPI-14")]
    [Trait(Rule.Trait, "WLAPI-16")]
    public async Task An_X509_SVID_comes_with_its_chain_its_key_and_its_bundle_as_DER()
    {
        var client = await ClientAsync();
        var svid = Assert.Single((await FirstAsync(client.FetchX509SVID(new(), Header, cancellationToken: Cancellation))).Svids);
        Assert.Equal(Id, svid.SpiffeId);
        using var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(svid.X509SvidKey.Span, out var read);
        Assert.Equal(svid.X509SvidKey.Length, read);
        Assert.True(X509Svid.TryParse(svid.X509Svid.Memory, svid.X509SvidKey.Memory, "", out var parsed, out var problem), problem);
        using (parsed)
        {
            Assert.True(TrustBundle.TryParseX509(parsed.Id.TrustDomain, svid.Bundle.Memory, out var bundle, out problem), problem);
            Assert.IsType<X509SvidVerification.Verified>(
                X509SvidVerifier.Verify(parsed.Leaf, parsed.Intermediates, new TrustBundleSet(bundle), TimeProvider.System.GetUtcNow()));
            Assert.All(bundle.X509Authorities, authority => Assert.Equal(authority.SubjectName.RawData, authority.IssuerName.RawData));
        }
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-21")]
    [Trait(Rule.Trait, "WLAPI-26")]
    [Trait(Rule.Trait, "JWT-18")]
    public async Task The_bundles_are_keyed_by_the_ID_of_the_own_trust_domain()
    {
        var client = await ClientAsync();
        var x509 = await FirstAsync(client.FetchX509Bundles(new(), Header, cancellationToken: Cancellation));
        Assert.Equal(["spiffe://example.org"], x509.Bundles.Keys);
        var jwt = await FirstAsync(client.FetchJWTBundles(new(), Header, cancellationToken: Cancellation));
        Assert.Equal(["spiffe://example.org"], jwt.Bundles.Keys);
        using var document = JsonDocument.Parse(jwt.Bundles["spiffe://example.org"].Memory);
        var keys = document.RootElement.GetProperty("keys").EnumerateArray().ToArray();
        Assert.NotEmpty(keys);
        Assert.All(keys, key => Assert.True(key.GetProperty("kid").GetString() is { Length: > 0 } && !key.TryGetProperty("x5c", out _)));
        Assert.All(keys, key => Assert.Equal("jwt-svid", key.GetProperty("use").GetString()));
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-01")]
    [Trait(Rule.Trait, "WLAPI-23")]
    [Trait(Rule.Trait, "WLAPI-24")]
    [Trait(Rule.Trait, "WLAPI-28")]
    public async Task A_JWT_SVID_is_for_the_audience_that_was_asked_for_and_validates_for_it_alone()
    {
        var client = await ClientAsync();
        var answer = await client.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { Audience } }, Header, cancellationToken: Cancellation);
        var svid = Assert.Single(answer.Svids);
        Assert.Equal(Id, svid.SpiffeId);
        var validated = await client.ValidateJWTSVIDAsync(new() { Audience = Audience, Svid = svid.Svid }, Header, cancellationToken: Cancellation);
        Assert.Equal(Id, validated.SpiffeId);
        Assert.All("sub aud exp".Split(' '), claim => Assert.Contains(claim, validated.Claims.Fields.Keys));
        await RefusedAsync(StatusCode.InvalidArgument, client.ValidateJWTSVIDAsync(new() { Audience = "other", Svid = svid.Svid }, Header, cancellationToken: Cancellation));
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-11")]
    [Trait(Rule.Trait, "WLAPI-23")]
    [Trait(Rule.Trait, "WLAPI-29")]
    public async Task A_mandatory_field_that_is_empty_is_an_invalid_argument()
    {
        var client = await ClientAsync();
        await RefusedAsync(StatusCode.InvalidArgument, client.FetchJWTSVIDAsync(new JWTSVIDRequest(), Header, cancellationToken: Cancellation));
        await RefusedAsync(StatusCode.InvalidArgument, client.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "" } }, Header, cancellationToken: Cancellation));
        await RefusedAsync(StatusCode.InvalidArgument, client.ValidateJWTSVIDAsync(new() { Audience = Audience }, Header, cancellationToken: Cancellation));
        await RefusedAsync(StatusCode.InvalidArgument, client.ValidateJWTSVIDAsync(new() { Svid = "x" }, Header, cancellationToken: Cancellation));
        var good = Assert.Single((await client.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { Audience } }, Header, cancellationToken: Cancellation)).Svids).Svid;
        await RefusedAsync(StatusCode.InvalidArgument, client.ValidateJWTSVIDAsync(new() { Svid = good }, Header, cancellationToken: Cancellation));
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-25")]
    public async Task Somebody_elses_SPIFFE_ID_is_denied()
    {
        var request = new JWTSVIDRequest { Audience = { Audience }, SpiffeId = "spiffe://example.org/go-client" };
        await RefusedAsync(StatusCode.PermissionDenied, (await ClientAsync()).FetchJWTSVIDAsync(request, Header, cancellationToken: Cancellation));
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-30")]
    public async Task A_token_of_a_trust_domain_without_a_bundle_is_not_trusted()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var expires = TimeProvider.System.GetUtcNow().AddMinutes(5).ToUnixTimeSeconds();
        var token = new Jws(key).Sign("""{"alg":"ES256","kid":"k1"}""", $$"""{"sub":"spiffe://other.example/x","aud":["{{Audience}}"],"exp":{{expires}}}""");
        var refused = await RefusedAsync(
            StatusCode.InvalidArgument, (await ClientAsync()).ValidateJWTSVIDAsync(new() { Audience = Audience, Svid = token }, Header, cancellationToken: Cancellation));
        Assert.Contains("no trust bundle for the trust domain other.example", refused.Status.Detail, StringComparison.Ordinal);
    }

    // Of the agent's own token, so that nothing else can be what is wrong with it. Those that only a clock spoils: Identity.Tests.Agent.WorkloadApiRulesTests.
    [Theory]
    [InlineData("another signature", "signature of the token")]
    [InlineData("other claims", "signature of the token")]
    [InlineData("another key under the same name", "signature of the token")]
    [InlineData("a key that nobody knows", "has no JWT key")]
    [InlineData("alg none", "\"none\"")]
    [InlineData("alg none, unsigned", "three base64url parts")]
    [InlineData("no alg of the list", "\"HS256\"")]
    [InlineData("no exp", "exp")]
    [Trait(Rule.Trait, "WLAPI-28")]
    public async Task A_token_that_is_not_as_it_was_issued_is_never_called_valid(string what, string reason)
    {
        var client = await ClientAsync();
        var issued = Assert.Single((await client.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { Audience } }, Header, cancellationToken: Cancellation)).Svids).Svid;
        var parts = issued.Split('.');
        var (header, claims) = (System.Text.Encoding.UTF8.GetString(Jws.Part(issued, 0)), System.Text.Encoding.UTF8.GetString(Jws.Part(issued, 1)));
        using var document = JsonDocument.Parse(header);
        var name = document.RootElement.GetProperty("kid").GetString();
        var stranger = new Jws(ECDsa.Create(ECCurve.NamedCurves.nistP256));
        var token = what switch
        {
            "another signature" => $"{parts[0]}.{parts[1]}.{(parts[2][0] == 'A' ? 'B' : 'A')}{parts[2][1..]}",
            "other claims" => $"{parts[0]}.{Jws.Encode(claims.Replace(Id, "spiffe://example.org/other", StringComparison.Ordinal))}.{parts[2]}",
            "another key under the same name" => stranger.Sign(header, claims),
            "a key that nobody knows" => stranger.Sign("""{"alg":"ES256","kid":"mine"}""", claims),
            "alg none" => stranger.Sign($$"""{"alg":"none","kid":"{{name}}"}""", claims),
            "alg none, unsigned" => $"{Jws.Encode($$"""{"alg":"none","kid":"{{name}}"}""")}.{parts[1]}.",
            "no alg of the list" => stranger.Sign($$"""{"alg":"HS256","kid":"{{name}}"}""", claims),
            _ => stranger.Sign(header, $$"""{"sub":"{{Id}}","aud":["{{Audience}}"]}"""),
        };
        var refused = await Assert.ThrowsAsync<RpcException>(
            () => client.ValidateJWTSVIDAsync(new() { Audience = Audience, Svid = token }, Header, cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Contains(reason, refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    [Trait(Rule.Trait, "WLAPI-02")]
    [Trait(Rule.Trait, "WLEP-17")]
    public async Task Every_call_of_the_WIT_profile_is_unimplemented()
    {
        var client = await ClientAsync();
        var svid = await Assert.ThrowsAsync<RpcException>(() => FirstAsync(client.FetchWITSVID(new(), Header, cancellationToken: Cancellation)));
        var bundles = await Assert.ThrowsAsync<RpcException>(() => FirstAsync(client.FetchWITBundles(new(), Header, cancellationToken: Cancellation)));
        Assert.Equal([StatusCode.Unimplemented, StatusCode.Unimplemented], [svid.StatusCode, bundles.StatusCode]);
    }

    private async Task<SpiffeWorkloadAPI.SpiffeWorkloadAPIClient> ClientAsync() => AgentFixture.Client(await agent.PlatformAsync());

    private static async Task<RpcException> RefusedAsync<T>(StatusCode status, AsyncUnaryCall<T> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        Assert.Equal(status, refused.StatusCode);
        return refused;
    }

    private static async Task<T> FirstAsync<T>(AsyncServerStreamingCall<T> call)
    {
        using (call)
        {
            Assert.True(await call.ResponseStream.MoveNext(Cancellation));
            return call.ResponseStream.Current;
        }
    }
}
