using Google.Protobuf;
using Grpc.Core;
using Identity.Testing.WorkloadApi;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

[Trait("rule", "WLAPI-22")]
public sealed class BundleSourceTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private readonly TestAuthority _other = new("other.test");
    private FakeWorkloadApi _api = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _api = await FakeWorkloadApi.StartAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    [Trait("rule", "WLAPI-12")]
    [Trait("rule", "WLAPI-30")]
    public async Task A_process_without_an_identity_verifies_both_kinds_of_svid()
    {
        Serve(_authority, _other);
        await using var source = await BundleSource.CreateAsync(_api.ClientOptions(), Cancellation);
        var now = TimeProvider.System.GetUtcNow();
        foreach (var authority in new[] { _authority, _other })
        {
            Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(Chain(authority), source.X509, now));
            Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(Token(authority), "api", source.Jwt, now));
        }

        var stranger = new TestAuthority("stranger.test");
        const string reason = "no trust bundle for the trust domain stranger.test";
        Assert.Contains(reason, Assert.IsType<X509SvidVerification.Refused>(X509SvidVerifier.Verify(Chain(stranger), source.X509, now)).Reason, StringComparison.Ordinal);
        Assert.Contains(reason, Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(Token(stranger), "api", source.Jwt, now)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("rule", "WLAPI-15")]
    [Trait("rule", "WLAPI-27")]
    public async Task Bundles_of_one_kind_verify_nothing_of_the_other()
    {
        Serve(_authority);
        await using var source = await BundleSource.CreateAsync(_api.ClientOptions(), Cancellation);
        var now = TimeProvider.System.GetUtcNow();
        var chain = Assert.IsType<X509SvidVerification.Refused>(X509SvidVerifier.Verify(Chain(_authority), source.Jwt, now));
        Assert.Contains("has no X.509 authority", chain.Reason, StringComparison.Ordinal);

        // One with a key that the bundle does not have, and one with the key that it does.
        var byRoot = _authority.IssueJwtWithRootKey(_authority.Id("/a"), ["api"], now.AddMinutes(5)).Svid;
        foreach (var token in new[] { Token(_authority), byRoot })
        {
            var refused = Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(token, "api", source.X509, now));
            Assert.Contains("has no JWT key", refused.Reason, StringComparison.Ordinal);
        }

        // Nor does a bundle for tokens learn of the root's key from its bearer.
        Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(byRoot, "api", source.Jwt, now));
    }

    [Fact]
    [Trait("rule", "WLAPI-10")]
    public async Task A_bundle_that_is_no_longer_sent_is_no_longer_trusted()
    {
        Serve(_authority, _other);
        await using var source = await BundleSource.CreateAsync(_api.ClientOptions(), Cancellation);
        Serve(_authority);
        await Until(() => source.X509.Bundles.Count == 1 && source.Jwt.Bundles.Count == 1);
        Assert.False(source.X509.TryGet(_other.TrustDomain, out _));
        Assert.False(source.Jwt.TryGet(_other.TrustDomain, out _));
    }

    [Fact]
    [Trait("rule", "WLAPI-19")]
    public async Task Trusts_nobody_once_refused_and_takes_up_again()
    {
        Serve(_authority);
        await using var source = await BundleSource.CreateAsync(_api.ClientOptions(), Cancellation);
        _api.Refuse(StatusCode.PermissionDenied);
        await Until(() => source.X509.Bundles.Count == 0 && source.Jwt.Bundles.Count == 0);
        Serve(_authority);
        await Until(() => source.X509.Bundles.Count == 1 && source.Jwt.Bundles.Count == 1);
    }

    [Fact]
    public async Task Keeps_trusting_while_the_endpoint_is_away()
    {
        Serve(_authority);
        await using var source = await BundleSource.CreateAsync(_api.ClientOptions(), Cancellation);
        await _api.CloseAsync();
        Assert.Single(source.X509.Bundles);
        Serve(_other);
        await _api.OpenAsync();
        await Until(() => source.X509.TryGet(_other.TrustDomain, out _) && source.Jwt.TryGet(_other.TrustDomain, out _));
    }

    [Theory]
    [InlineData("FetchJWTBundles", 1, 0)]
    [InlineData("FetchX509Bundles", 0, 1)]
    [Trait("rule", "WLEP-17")]
    public async Task One_profile_may_be_switched_off(string rpc, int x509, int jwt)
    {
        _api.Refuse(rpc, StatusCode.Unimplemented);
        Serve(_authority);
        await using var source = await BundleSource.CreateAsync(_api.ClientOptions(), Cancellation);
        Assert.Equal((x509, jwt), (source.X509.Bundles.Count, source.Jwt.Bundles.Count));
        Assert.Equal(1, _api.CallsOf(rpc));
    }

    [Theory]
    [InlineData(StatusCode.Unimplemented)]
    [InlineData(StatusCode.InvalidArgument)]
    public async Task Gives_up_at_once_where_waiting_is_pointless(StatusCode status)
    {
        _api.Refuse(status);
        await Assert.ThrowsAsync<WorkloadApiException>(() => BundleSource.CreateAsync(_api.ClientOptions(), Cancellation));
    }

    [Fact]
    public async Task Explains_what_it_waited_for_in_vain()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => BundleSource.CreateAsync(_api.ClientOptions(), patience.Token));
        Assert.Equal(WorkloadApiFailure.NoIdentity, e.Failure);
    }

    [Fact]
    public async Task Gives_up_by_itself_and_says_what_the_endpoint_said()
    {
        _api.Refuse(StatusCode.PermissionDenied, "no registration entry fits this process");
        var impatient = new WorkloadApiClientOptions { Endpoint = _api.Endpoint, StartTimeout = TimeSpan.FromSeconds(2) };
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => BundleSource.CreateAsync(impatient, Cancellation));
        Assert.StartsWith("no trust bundles within 2 s: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("\"no registration entry fits this process\"", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trusts_nobody_once_it_is_disposed()
    {
        Serve(_authority);
        var source = await BundleSource.CreateAsync(_api.ClientOptions(), Cancellation);
        await source.DisposeAsync();
        await source.DisposeAsync();
        Assert.Empty(source.X509.Bundles);
        Assert.Empty(source.Jwt.Bundles);
    }

    private void Serve(params TestAuthority[] authorities)
    {
        var x509 = new X509BundlesResponse();
        var jwt = new JWTBundlesResponse();
        foreach (var authority in authorities)
        {
            x509.Bundles[authority.TrustDomain.Id.ToString()] = ByteString.CopyFrom(authority.X509Bundle);
            jwt.Bundles[authority.TrustDomain.Id.ToString()] = ByteString.CopyFrom(authority.JwtBundle);
        }

        _api.Serve(x509);
        _api.Serve(jwt);
    }

    private static IReadOnlyList<ReadOnlyMemory<byte>> Chain(TestAuthority authority)
    {
        Assert.True(DerCertificates.TrySplit(authority.IssueX509(authority.Id("/a")).X509Svid.Memory, 8, out var chain, out var problem), problem);
        return chain;
    }

    private static string Token(TestAuthority authority) =>
        authority.IssueJwt(authority.Id("/a"), ["api"], TimeProvider.System.GetUtcNow().AddMinutes(5)).Svid;

    // The source tells nobody of changes; its readers look each time.
    private static async Task Until(Func<bool> reached)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        while (!reached()) await Task.Delay(10, deadline.Token);
    }
}
