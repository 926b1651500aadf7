// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>What workloads are told and asked of other trust domains.</summary>
public sealed class WorkloadApiFederationTests
{
    [Fact]
    [Trait("rule", "WLAPI-07")]
    [Trait("rule", "WLAPI-09")]
    [Trait("rule", "WLAPI-21")]
    [Trait("rule", "WLAPI-26")]
    public async Task Gives_foreign_bundles_to_those_whose_entry_federates_and_takes_them_away_again()
    {
        await using var other = new FakeControlPlane(TimeProvider.System);
        var foreign = new Spire.Api.Types.Bundle { TrustDomain = "other.example" };
        foreign.X509Authorities.Add(new Spire.Api.Types.X509Certificate { Asn1 = Google.Protobuf.ByteString.CopyFrom(other.Bundle.X509Authorities[0].RawData) });
        foreign.JwtAuthorities.Add(new Spire.Api.Types.JWTKey
        {
            KeyId = other.Bundle.JwtAuthorities[0].KeyId,
            PublicKey = Google.Protobuf.ByteString.CopyFrom(other.Bundle.JwtAuthorities[0].SubjectPublicKeyInfo.Span),
        });
        Spire.Api.Types.Entry entry = null!;
        await using var node = await OneNode.StartAsync(plane =>
        {
            entry = plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid);
            plane.FederatedBundles.Add(foreign);
        });
        var (plane, agent) = node;
        using var svids = agent.Workload.FetchX509SVID(new(), WorkloadHeader);
        using var x509 = agent.Workload.FetchX509Bundles(new(), WorkloadHeader);
        using var jwt = agent.Workload.FetchJWTBundles(new(), WorkloadHeader);
        Assert.Empty((await svids.ResponseStream.NextAsync()).FederatedBundles);
        Assert.Equal(["spiffe://example.org"], (await x509.ResponseStream.NextAsync()).Bundles.Keys);
        Assert.Equal(["spiffe://example.org"], (await jwt.ResponseStream.NextAsync()).Bundles.Keys);

        entry.FederatesWith.Add("other.example");
        entry.FederatesWith.Add("missing.example");
        plane.Crls.Add(Google.Protobuf.ByteString.CopyFromUtf8("a list"));
        plane.Push();
        var now = await svids.ResponseStream.NextAsync();
        Assert.Equal(["spiffe://other.example"], now.FederatedBundles.Keys);
        Assert.Equal(other.Bundle.ToX509Der(), now.FederatedBundles["spiffe://other.example"].ToByteArray());
        Assert.Equal("a list", Assert.Single(now.Crl).ToStringUtf8());
        Assert.Equal(["spiffe://example.org", "spiffe://other.example"], (await x509.ResponseStream.NextAsync()).Bundles.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["spiffe://example.org", "spiffe://other.example"], (await jwt.ResponseStream.NextAsync()).Bundles.Keys.Order(StringComparer.Ordinal));

        plane.FederatedBundles.Clear();
        plane.Crls.Clear();
        plane.Push();
        var after = await svids.ResponseStream.NextAsync();
        Assert.Empty(after.FederatedBundles);
        Assert.Empty(after.Crl);
        Assert.Equal(["spiffe://example.org"], (await x509.ResponseStream.NextAsync()).Bundles.Keys);
        Assert.Equal(["spiffe://example.org"], (await jwt.ResponseStream.NextAsync()).Bundles.Keys);
    }

    [Fact]
    [Trait("rule", "WLAPI-26")]
    public async Task Believes_a_foreign_key_until_its_hour_and_takes_it_away_then()
    {
        var time = new WatchedClock(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        var forge = SpiffeNet.JwtForge.Es256();
        var hour = time.Start.AddSeconds(100);
        await using var node = await OneNode.StartAsync(plane => FederateWith(plane, forge, hour), time);
        var agent = node.Agent;
        var token = forge.Sign(SpiffeNet.JwtForge.GoodHeader, SpiffeNet.JwtForge.Claims("\"spiffe://other.example/b\"", "\"x\"", SpiffeNet.JwtForge.Seconds(hour.AddMinutes(5))));
        using var bundles = agent.Workload.FetchJWTBundles(new(), WorkloadHeader);
        Assert.Contains("k1", (await bundles.ResponseStream.NextAsync()).Bundles["spiffe://other.example"].ToStringUtf8(), StringComparison.Ordinal);
        Assert.Equal("spiffe://other.example/b", (await agent.Workload.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = token }, WorkloadHeader)).SpiffeId);

        await time.AwaitedAsync(hour, hour.AddMilliseconds(1));
        time.Advance(TimeSpan.FromSeconds(101));

        Assert.DoesNotContain("k1", (await bundles.ResponseStream.NextAsync()).Bundles["spiffe://other.example"].ToStringUtf8(), StringComparison.Ordinal);
        await RefusedAsync(StatusCode.InvalidArgument, () => agent.Workload.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = token }, WorkloadHeader).ResponseAsync);
    }

    /// <summary>The signer is a foreign trust domain: what it writes into its tokens is no fault of ours.</summary>
    [Theory]
    [InlineData("\"n\":1e999")]
    [InlineData("\"n\":-1e999")]
    [InlineData("\"n\":[[[[[[[[[[[[[[1]]]]]]]]]]]]]]")]
    [InlineData("\"n\":\"\\u0000\\ud83d\\ude00\"")]
    public async Task Answers_a_genuine_foreign_token_whatever_is_in_its_claims(string more)
    {
        var forge = SpiffeNet.JwtForge.Es256();
        await using var node = await OneNode.StartAsync(plane => FederateWith(plane, forge));
        var agent = node.Agent;
        var expiry = SpiffeNet.JwtForge.Seconds(TimeProvider.System.GetUtcNow().AddMinutes(5));
        string Token(string sub) => forge.Sign(SpiffeNet.JwtForge.GoodHeader, SpiffeNet.JwtForge.Claims($"\"{sub}\"", "\"x\"", expiry, more));

        try
        {
            var valid = await agent.Workload.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = Token("spiffe://other.example/b") }, WorkloadHeader);
            Assert.Equal("spiffe://other.example/b", valid.SpiffeId);
        }
        catch (RpcException e)
        {
            Assert.Equal(StatusCode.InvalidArgument, e.StatusCode);
        }

        // Their key speaks for nobody of ours.
        await RefusedAsync(
            StatusCode.InvalidArgument, () => agent.Workload.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = Token("spiffe://example.org/a") }, WorkloadHeader).ResponseAsync);
    }

    // An entry for this process, told of the foreign trust domain that the forge signs for.
    private static void FederateWith(FakeControlPlane plane, SpiffeNet.JwtForge forge, DateTimeOffset? until = null)
    {
        plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid).FederatesWith.Add("other.example");
        plane.FederatedBundles.Add(new Spire.Api.Types.Bundle
        {
            TrustDomain = "other.example",
            JwtAuthorities =
            {
                new Spire.Api.Types.JWTKey
                {
                    KeyId = "k1",
                    PublicKey = Google.Protobuf.ByteString.CopyFrom(forge.Authority.SubjectPublicKeyInfo.Span),
                    ExpiresAt = until?.ToUnixTimeSeconds() ?? 0,
                },
            },
        });
    }
}
