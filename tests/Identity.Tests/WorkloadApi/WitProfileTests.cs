using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

#pragma warning disable SPIFFE001 // These tests opt in.

namespace Identity.Tests.WorkloadApi;

public sealed class WitProfileTests : IAsyncLifetime
{
    private readonly ECDsa _authority = ECDsa.Create(ECCurve.NamedCurves.nistP256);
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
    [Trait("rule", "WLAPI-34")]
    public async Task Fetches_tokens_with_their_keys_in_order()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _api.Serve(new WITSVIDResponse { Svids = { Issue("/a", key: key), Issue("/b", hint: "x"), Issue("/c", hint: "x") } });
        var credentials = await _client.FetchWitSvidsAsync(cancellation: Cancellation);
        Assert.Equal([("/a", ""), ("/b", "x")], credentials.Select(c => (c.Id.ToString()["spiffe://example.org".Length..], c.Hint)));
        Assert.True(key.VerifyData("proof"u8, credentials[0].Sign("proof"u8), HashAlgorithmName.SHA256));
        Assert.DoesNotContain("eyJ", credentials[0].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("rule", "WIT-18")]
    [Trait("rule", "WIT-20")]
    public async Task A_credential_proves_that_its_token_is_its_own()
    {
        _api.Serve(new WITSVIDResponse { Svids = { Issue("/a") } });
        using var credential = Assert.Single(await _client.FetchWitSvidsAsync(cancellation: Cancellation));
        var target = new WorkloadProofTarget("https://service.example.org/path") { TransactionToken = "a.b.c" };
        var now = TimeProvider.System.GetUtcNow();

        var proof = credential.CreateProof(target, now);

        var authority = Encoding.UTF8.GetBytes($$"""{"keys":[{{Jwk(_authority, "\"kid\":\"w1\",\"use\":\"wit-svid\"")}}]}""");
        Assert.True(TrustBundle.TryParseWit(TrustDomain.Parse("example.org"), authority, out var read, out var problem), problem);
        var bundle = new TrustBundleSet(read);
        Assert.IsType<WitSvidVerification.Verified>(WitSvidVerifier.Verify(credential.Token, proof, target, bundle, now));
        var unbound = Assert.IsType<WitSvidVerification.Refused>(WitSvidVerifier.Verify(credential.Token, proof, target with { TransactionToken = null }, bundle, now));
        Assert.Contains("bound to a transaction token, and there is none", unbound.Reason, StringComparison.Ordinal);
        credential.Dispose();
        Assert.Throws<ObjectDisposedException>(() => credential.CreateProof(target, now));
    }

    public static TheoryData<string> Damages => ["no svid", "no token", "another's name", "another's key", "public key only", "no json", "unknown kind", "too long a key", "a JWT-SVID"];

    [Theory]
    [MemberData(nameof(Damages))]
    [Trait("rule", "WLAPI-11")]
    public async Task Discards_an_unusable_response_and_repeats_no_key(string damage)
    {
        var svid = Issue("/a");
        var secret = Secret(svid);
        switch (damage)
        {
            case "no token": svid.WitSvid = ""; break;
            case "another's name": svid.SpiffeId = "spiffe://example.org/b"; break;
            case "another's key": svid.WitSvidKey = Issue("/a").WitSvidKey; break;
            case "public key only": svid.WitSvidKey = svid.WitSvidKey.Replace("\"d\"", "\"dd\"", StringComparison.Ordinal); break;
            case "no json": svid.WitSvidKey = svid.WitSvidKey[1..]; break;
            case "unknown kind": svid.WitSvidKey = svid.WitSvidKey.Replace("EC", "OKP", StringComparison.Ordinal); break;
            case "too long a key": svid.WitSvidKey += new string(' ', 8192); break;
            case "a JWT-SVID": svid.WitSvid = new TestAuthority().IssueJwt(SpiffeId.Parse("spiffe://example.org/a"), ["x"], TimeProvider.System.GetUtcNow()).Svid; break;
        }

        _api.Serve(damage == "no svid" ? new WITSVIDResponse() : new WITSVIDResponse { Svids = { svid } });
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => _client.FetchWitSvidsAsync(cancellation: Cancellation));
        Assert.Equal(WorkloadApiFailure.MalformedResponse, e.Failure);
        Assert.DoesNotContain(secret, e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_another_identity_than_the_one_asked_for()
    {
        _api.Serve(new WITSVIDResponse { Svids = { Issue("/a") } });
        Assert.Single(await _client.FetchWitSvidsAsync(SpiffeId.Parse("spiffe://example.org/a"), Cancellation));
        await Assert.ThrowsAsync<WorkloadApiException>(() => _client.FetchWitSvidsAsync(SpiffeId.Parse("spiffe://example.org/b"), Cancellation));
    }

    [Fact]
    [Trait("rule", "WLAPI-32")]
    [Trait("rule", "WLEP-17")]
    public async Task Does_not_come_back_where_the_profile_is_not_offered()
    {
        var clock = new RecordingTimeProvider();
        using var client = new WorkloadApiClient(_api.ClientOptions(clock));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(async () => await client.WatchWitSvidsAsync(cancellation: Cancellation).GetAsyncEnumerator(Cancellation).MoveNextAsync());
        Assert.Equal(WorkloadApiFailure.Unimplemented, e.Failure);
        await Assert.ThrowsAsync<WorkloadApiException>(async () => await client.WatchWitBundlesAsync(Cancellation).GetAsyncEnumerator(Cancellation).MoveNextAsync());
        Assert.Empty(clock.Delays);
    }

    [Fact]
    [Trait("rule", "WLAPI-10")]
    [Trait("rule", "WLAPI-19")]
    public async Task A_watch_sees_withdrawal_and_return()
    {
        _api.Serve(new WITSVIDResponse { Svids = { Issue("/a") } });
        await using var watch = _client.WatchWitSvidsAsync(cancellation: Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());
        Assert.Single(watch.Current);
        _api.Refuse(StatusCode.PermissionDenied);
        Assert.True(await watch.MoveNextAsync());
        Assert.Empty(watch.Current);
        _api.Serve(new WITSVIDResponse { Svids = { Issue("/b") } });
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal("spiffe://example.org/b", Assert.Single(watch.Current).Id.ToString());
    }

    [Fact]
    public async Task Reads_bundles_for_wit_svids_and_nothing_else()
    {
        _api.Serve(new WITBundlesResponse { Bundles = { ["spiffe://example.org"] = $$"""{"keys":[{{Jwk(_authority, "\"kid\":\"w1\",\"use\":\"wit-svid\"")}}]}""" } });
        var bundle = Assert.Single((await _client.FetchWitBundlesAsync(Cancellation)).Bundles);
        Assert.Equal((1, 0, 0), (bundle.WitAuthorities.Count, bundle.JwtAuthorities.Count, bundle.X509Authorities.Count));
    }

    private WITSVID Issue(string path, string hint = "", ECDsa? key = null)
    {
        using var made = key is null ? ECDsa.Create(ECCurve.NamedCurves.nistP256) : null;
        key ??= made!;
        var id = $"spiffe://example.org{path}";
        var header = Encode("""{"alg":"ES256","kid":"w1","typ":"wit+jwt"}""");
        var expires = TimeProvider.System.GetUtcNow().AddHours(1).ToUnixTimeSeconds();
        var claims = Encode($$$"""{"sub":"{{{id}}}","cnf":{"jwk":{{{Jwk(key, "\"alg\":\"ES256\"")}}}},"exp":{{{expires}}}}""");
        var signature = _authority.SignData(Encoding.ASCII.GetBytes($"{header}.{claims}"), HashAlgorithmName.SHA256);
        return new WITSVID
        {
            SpiffeId = id,
            WitSvid = $"{header}.{claims}.{Base64Url.EncodeToString(signature)}",
            WitSvidKey = Jwk(key, $"\"alg\":\"ES256\",\"d\":\"{Base64Url.EncodeToString(key.ExportParameters(true).D)}\""),
            Hint = hint,
        };
    }

    private static string Jwk(ECDsa key, string more)
    {
        var q = key.ExportParameters(false).Q;
        return $$"""{"kty":"EC","crv":"P-256","x":"{{Base64Url.EncodeToString(q.X)}}","y":"{{Base64Url.EncodeToString(q.Y)}}",{{more}}}""";
    }

    private static string Secret(WITSVID svid) => svid.WitSvidKey.Split("\"d\":\"")[1][..16];

    private static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
