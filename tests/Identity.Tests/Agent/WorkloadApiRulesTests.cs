// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>Rules of the Workload API that show in the bytes of its answers, and in what is refused to whom.</summary>
public sealed class WorkloadApiRulesTests
{
    private const string Node = "spiffe://example.org/nodes/local";
    private const string Id = "spiffe://example.org/a";

    private static readonly DateTimeOffset Start = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    [Trait("rule", "WLAPI-07")]
    [Trait("rule", "WLAPI-09")]
    [Trait("rule", "WLAPI-14")]
    public async Task Revocation_lists_come_and_go_with_the_identity_and_with_the_bundles_alike()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", Id, Node, OwnUid);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        using var svids = agent.Workload.FetchX509SVID(new(), WorkloadHeader);
        using var bundles = agent.Workload.FetchX509Bundles(new(), WorkloadHeader);
        Assert.Empty((await svids.ResponseStream.NextAsync()).Crl);
        Assert.Empty((await bundles.ResponseStream.NextAsync()).Crl);

        plane.Crls.AddRange([ByteString.CopyFromUtf8("one list"), ByteString.CopyFromUtf8("another")]);
        plane.Push();
        Assert.Equal(plane.Crls, (await svids.ResponseStream.NextAsync()).Crl);
        Assert.Equal(plane.Crls, (await bundles.ResponseStream.NextAsync()).Crl);

        plane.Crls.Clear();
        plane.Push();
        Assert.Empty((await svids.ResponseStream.NextAsync()).Crl);
        Assert.Empty((await bundles.ResponseStream.NextAsync()).Crl);
    }

    [Fact]
    [Trait("rule", "WLAPI-33")]
    [Trait("rule", "WIT-21")]
    [Trait("rule", "WIT-22")]
    public async Task Each_key_of_the_WIT_bundle_names_itself_and_is_for_nothing_else()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", Id, Node, OwnUid);
        await plane.StartAsync();
        await using var agent = await RunningAgent.StartAsync(plane, OptionsFor(plane, NewFolder(), wit: true));
        using var call = agent.Workload.FetchWITBundles(new(), WorkloadHeader);
        var bundle = Assert.Single((await call.ResponseStream.NextAsync()).Bundles);
        Assert.Equal("spiffe://example.org", bundle.Key);
        using var document = JsonDocument.Parse(bundle.Value);
        var key = Assert.Single(document.RootElement.GetProperty("keys").EnumerateArray());
        Assert.Equal("wit-svid", key.GetProperty("use").GetString());
        Assert.Equal(Assert.Single(plane.Bundle.WitAuthorities).KeyId, key.GetProperty("kid").GetString());
        Assert.NotEqual(plane.Bundle.JwtAuthorities[0].KeyId, key.GetProperty("kid").GetString());
        Assert.Equal(["crv", "kid", "kty", "use", "x", "y"], key.EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    [Trait("rule", "WLAPI-18")]
    public async Task Every_call_that_serves_SVIDs_or_bundles_is_denied_to_who_is_not_entitled()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", Id, Node, "unix:uid:4294967294");
        await plane.StartAsync();
        await using var agent = await RunningAgent.StartAsync(plane, OptionsFor(plane, NewFolder(), wit: true));
        var api = agent.Workload;
        await RefusedAsync(StatusCode.PermissionDenied, () => api.FetchX509SVID(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => api.FetchX509Bundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => api.FetchJWTSVIDAsync(new() { Audience = { "x" } }, WorkloadHeader).ResponseAsync);
        await RefusedAsync(StatusCode.PermissionDenied, () => api.FetchJWTBundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => api.FetchWITSVID(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => api.FetchWITSVID(new() { SpiffeId = Id }, WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => api.FetchWITBundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        Assert.Equal(0, plane.WitRequests);
    }

    public static TheoryData<string, string> Worthless => new()
    {
        { "expired", "expired at" },
        { "not yet valid", "in the future" },
        { "another audience", "is not meant for" },
        { "wrong signature", "signature of the token" },
        { "a foreign key under the name of ours", "signature of the token" },
        { "a foreign key", "has no JWT key" },
        { "alg none", "\"none\"" },
        { "alg none without a signature", "three base64url parts" },
        { "alg HS256 with the public key", "\"HS256\"" },
        { "another trust domain", "no trust bundle" },
        { "a WIT-SVID", "typ" },
        { "no kid", "no usable kid" },
        { "no exp", "exp" },
        { "no aud", "aud" },
        { "other claims under a good signature", "signature of the token" },
    };

    // JWT-SVID in full, through the RPC: what the library refuses, the agent refuses for those who have no library.
    [Theory]
    [MemberData(nameof(Worthless))]
    [Trait("rule", "WLAPI-28")]
    public async Task Refuses_to_call_a_token_valid_that_is(string what, string reason)
    {
        var time = new FakeTimeProvider(Start);
        await using var plane = new FakeControlPlane(time);
        plane.Entry("e1", Id, Node, OwnUid);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        var good = plane.TokenOf(SpiffeId.Parse(Id), "x");
        Assert.Equal(Id, (await agent.Workload.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = good }, WorkloadHeader)).SpiffeId);
        if (what == "expired") time.Advance(TimeSpan.FromMinutes(6));

        var token = Spoil(what, good, plane.Bundle.JwtAuthorities[0]);
        var refused = await RefusedAsync(
            StatusCode.InvalidArgument, () => agent.Workload.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = token }, WorkloadHeader).ResponseAsync);
        Assert.Contains(reason, refused.Status.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(token, refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("rule", "JWT-10")]
    [Trait("rule", "WLAPI-23")]
    public async Task A_token_is_for_the_audiences_that_were_asked_for_and_for_no_other()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", Id, Node, OwnUid);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        foreach (var audience in new string[][] { ["x"], ["x", "y"], [.. Enumerable.Range(0, 16).Select(i => $"a{i}")] })
        {
            var token = Assert.Single((await agent.Workload.FetchJWTSVIDAsync(new() { Audience = { audience } }, WorkloadHeader)).Svids).Svid;
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(token.Split('.')[1]));
            Assert.Equal(audience, claims.RootElement.GetProperty("aud").EnumerateArray().Select(name => name.GetString()));
        }

        // One who asked for both is no reason to give who asks for one of them the token for both.
        var narrow = Assert.Single((await agent.Workload.FetchJWTSVIDAsync(new() { Audience = { "y" } }, WorkloadHeader)).Svids).Svid;
        await RefusedAsync(StatusCode.InvalidArgument, () => agent.Workload.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = narrow }, WorkloadHeader).ResponseAsync);
        var wide = new Spiffe.WorkloadApi.V1.JWTSVIDRequest { Audience = { Enumerable.Range(0, 17).Select(i => $"a{i}") } };
        await RefusedAsync(StatusCode.InvalidArgument, () => agent.Workload.FetchJWTSVIDAsync(wide, WorkloadHeader).ResponseAsync);
    }

    private static string Spoil(string what, string good, JwtAuthority authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (header, claims) = ($$"""{"alg":"ES256","kid":"{{authority.KeyId}}","typ":"JWT"}""", Claims());
        var parts = good.Split('.');
        return what switch
        {
            "expired" => good,
            "not yet valid" => Sign(key, header, Claims(issuedAt: Start.AddHours(1))),
            "another audience" => Sign(key, header, Claims(audience: "y")),
            "wrong signature" => $"{parts[0]}.{parts[1]}.{(parts[2][0] == 'A' ? 'B' : 'A')}{parts[2][1..]}",
            "a foreign key under the name of ours" => Sign(key, header, claims),
            "a foreign key" => Sign(key, """{"alg":"ES256","kid":"mine"}""", claims),
            "alg none" => Sign(key, $$"""{"alg":"none","kid":"{{authority.KeyId}}"}""", claims),
            "alg none without a signature" => $"{Encode($$"""{"alg":"none","kid":"{{authority.KeyId}}"}""")}.{Encode(claims)}.",
            "alg HS256 with the public key" => Mac(authority, $$"""{"alg":"HS256","kid":"{{authority.KeyId}}"}""", claims),
            "another trust domain" => Sign(key, header, claims.Replace("example.org", "other.example", StringComparison.Ordinal)),
            "a WIT-SVID" => Sign(key, header.Replace("\"JWT\"", "\"wit+jwt\"", StringComparison.Ordinal), claims),
            "no kid" => Sign(key, """{"alg":"ES256"}""", claims),
            "no exp" => Sign(key, header, $$"""{"sub":"{{Id}}","aud":["x"]}"""),
            "no aud" => Sign(key, header, $$"""{"sub":"{{Id}}","exp":{{Start.AddMinutes(5).ToUnixTimeSeconds()}}}"""),
            _ => $"{parts[0]}.{Encode(claims)}.{parts[2]}",
        };
    }

    private static string Claims(string audience = "x", DateTimeOffset? issuedAt = null) =>
        $$"""{"sub":"{{Id}}","aud":["{{audience}}"],"iat":{{(issuedAt ?? Start).ToUnixTimeSeconds()}},"exp":{{Start.AddHours(2).ToUnixTimeSeconds()}}}""";

    private static string Sign(ECDsa key, string header, string claims)
    {
        var signed = $"{Encode(header)}.{Encode(claims)}";
        return $"{signed}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";
    }

    private static string Mac(JwtAuthority authority, string header, string claims)
    {
        var signed = $"{Encode(header)}.{Encode(claims)}";
        return $"{signed}.{Base64Url.EncodeToString(HMACSHA256.HashData(authority.SubjectPublicKeyInfo.Span, Encoding.ASCII.GetBytes(signed)))}";
    }

    private static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
