using Google.Protobuf;
using Identity.Agent.ControlPlane;
using Identity.Tests.Server.Bundles;
using Identity.V1;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Tests.Agent;

public sealed class ControlPlaneViewTests
{
    private static readonly TrustDomain Own = TrustDomain.Parse("example.org");

    [Fact]
    public void Exposes_the_bundles_entries_federate_with_and_the_revocation_lists()
    {
        var snapshot = Snapshot();
        snapshot.FederatedBundles.Add(TestBundles.Of("other.test", sequence: 7));
        snapshot.Crls.Add(ByteString.CopyFromUtf8("list"));

        Assert.True(ControlPlaneView.TryRead(snapshot, Own, out var view, out var skipped, out _));

        Assert.Empty(skipped);
        var other = Assert.Single(view.FederatedBundles.Bundles);
        Assert.Equal(("other.test", 7ul, 1, 1), (other.TrustDomain.Name, other.SequenceNumber, other.X509Authorities.Count, other.JwtAuthorities.Count));
        Assert.Equal("list"u8.ToArray(), Assert.Single(view.Crls).ToArray());
        Assert.Equal([TrustDomain.Parse("other.test")], Assert.Single(view.Entries.All).FederatesWith);
        Assert.False(view.Bundles.TryGet(TrustDomain.Parse("other.test"), out _));
        Assert.Empty(view.Revoked().FederatedBundles.Bundles);
    }

    [Theory]
    [InlineData("example.org", "spoken for")]
    [InlineData("Other.test", "no name")]
    [InlineData("other.test", "no certificate")]
    public void Leaves_out_a_federated_bundle_it_cannot_read_and_keeps_the_rest(string name, string flaw)
    {
        var snapshot = Snapshot();
        var bad = TestBundles.Of(name);
        if (flaw == "no certificate") bad.X509Authorities[0].Asn1 = ByteString.CopyFromUtf8("nonsense");
        snapshot.FederatedBundles.AddRange([bad, TestBundles.Of("third.test")]);

        Assert.True(ControlPlaneView.TryRead(snapshot, Own, out var view, out var skipped, out _));

        Assert.Single(skipped);
        Assert.Equal("third.test", Assert.Single(view.FederatedBundles.Bundles).TrustDomain.Name);
        Assert.Single(view.Bundle.X509Authorities);
    }

    [Fact]
    public void Leaves_out_a_tainted_token_key()
    {
        var snapshot = Snapshot();
        var other = TestBundles.Of("other.test");
        other.JwtAuthorities[0].Tainted = true;
        snapshot.FederatedBundles.Add(other);

        Assert.True(ControlPlaneView.TryRead(snapshot, Own, out var view, out _, out _));

        Assert.Empty(Assert.Single(view.FederatedBundles.Bundles).JwtAuthorities);
    }

    private static Snapshot Snapshot() => new()
    {
        Revision = 1,
        Bundle = TestBundles.Of("example.org"),
        Entries =
        {
            new Entry
            {
                Id = "e1",
                SpiffeId = new SPIFFEID { TrustDomain = "example.org", Path = "/workload" },
                ParentId = new SPIFFEID { TrustDomain = "example.org", Path = "/nodes/local" },
                Selectors = { new Selector { Type = "unix", Value = "uid:1" } },
                FederatesWith = { "other.test" },
            },
        },
    };
}
