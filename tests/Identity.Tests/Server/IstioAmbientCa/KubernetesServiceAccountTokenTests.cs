using System.Text;
using System.Text.Json.Nodes;
using Identity.Server.IstioAmbientCa;
using Identity.Testing.Mesh;

namespace Identity.Tests.Server.IstioAmbientCa;

public sealed class KubernetesServiceAccountTokenTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly KubernetesTokenIssuer _cluster = new();

    [Fact]
    public void Knows_the_pod_a_token_is_bound_to()
    {
        var caller = Verify(Token(), out var problem);
        Assert.Equal(new KubernetesCaller("istio-system", "ztunnel", "ztunnel-a", "uid-a", "worker-1"), caller);
        Assert.Empty(problem);
    }

    [Fact]
    public void A_cluster_that_writes_no_node_is_accepted() =>
        Assert.Null(Assert.IsType<KubernetesCaller>(Verify(Token(change: c => c["kubernetes.io"]!.AsObject().Remove("node")), out _)).Node);

    public static TheoryData<string, Action<JsonObject>> SpoiledClaims => new()
    {
        { "another issuer", c => c["iss"] = "https://elsewhere" },
        { "no issuer", c => c.Remove("iss") },
        { "another audience", c => c["aud"] = new JsonArray("vault") },
        { "no audience", c => c.Remove("aud") },
        { "an empty audience", c => c["aud"] = new JsonArray() },
        { "expired", c => c["exp"] = Now.AddMinutes(-1).ToUnixTimeSeconds() },
        { "never expires", c => c.Remove("exp") },
        { "expiry as text", c => c["exp"] = "tomorrow" },
        { "not yet valid", c => c["nbf"] = Now.AddMinutes(1).ToUnixTimeSeconds() },
        { "a subject that is not its account", c => c["sub"] = "system:serviceaccount:kube-system:admin" },
        { "not bound to a pod", c => c["kubernetes.io"]!.AsObject().Remove("pod") },
        { "a pod without uid", c => c["kubernetes.io"]!["pod"]!.AsObject().Remove("uid") },
        { "no kubernetes claims", c => c.Remove("kubernetes.io") },
        { "kubernetes claims of another shape", c => c["kubernetes.io"] = "x" },
    };

    [Theory]
    [MemberData(nameof(SpoiledClaims), DisableDiscoveryEnumeration = true)]
    public void Refuses_a_token(string what, Action<JsonObject> spoil)
    {
        Assert.True(Verify(Token(change: spoil), out var problem) is null, what);
        Assert.NotEmpty(problem);
    }

    [Fact]
    public void Refuses_a_token_of_another_cluster()
    {
        using var other = new KubernetesTokenIssuer();
        Assert.Null(Verify(other.Token("istio-system", "ztunnel", "ztunnel-a", "uid-a", "worker-1", Now), out var problem));
        Assert.Contains("signature", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_token_with_any_part_changed_and_does_not_repeat_it()
    {
        var token = Token();
        foreach (var changed in (string[])[token[..^2], token + "A", token.Replace('.', '!'), "." + token, "", "..", token[(token.IndexOf('.', StringComparison.Ordinal) + 1)..], "eyJhbGciOiJub25lIn0." + token.Split('.')[1] + "."])
        {
            Assert.Null(Verify(changed, out var problem));
            Assert.DoesNotContain(token[..20], problem, StringComparison.Ordinal);
        }

        Assert.Null(Verify(new string('a', KubernetesServiceAccountToken.MaxLength + 1), out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("""{"keys":[]}""")]
    [InlineData("""{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}""")] // 24 bits
    [InlineData("""{"keys":[{"kty":"oct","kid":"a","k":"AQAB"}]}""")]
    [InlineData("""{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"AQAB","y":"AQAB"}]}""")]
    [InlineData("""{"keys":[{"kty":"EC","crv":"P-256"}]}""")]
    public void Refuses_a_key_set_with_an_unusable_key(string jwks)
    {
        Assert.False(KubernetesSigningKeys.TryParse(Encoding.UTF8.GetBytes(jwks), out _, out var problem));
        Assert.NotEmpty(problem);
    }

    public void Dispose() => _cluster.Dispose();

    private string Token(Action<JsonObject>? change = null) =>
        _cluster.Token("istio-system", "ztunnel", "ztunnel-a", "uid-a", "worker-1", Now, change: change);

    private KubernetesCaller? Verify(string token, out string problem)
    {
        Assert.True(KubernetesSigningKeys.TryParse(Encoding.UTF8.GetBytes(_cluster.Jwks()), out var keys, out problem), problem);
        return KubernetesServiceAccountToken.Verify(token, keys, _cluster.Issuer, "istio-ca", Now, out problem);
    }
}
