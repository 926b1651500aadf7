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
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Exposes_the_bundles_entries_federate_with_and_the_revocation_lists()
    {
        var snapshot = Snapshot();
        snapshot.FederatedBundles.Add(TestBundles.Of("other.test", sequence: 7));
        snapshot.Crls.Add(ByteString.CopyFromUtf8("list"));

        Assert.True(ControlPlaneView.TryRead(snapshot, Own, HeldPolicy.None, Now, out var view, out var skipped, out _));

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

        Assert.True(ControlPlaneView.TryRead(snapshot, Own, HeldPolicy.None, Now, out var view, out var skipped, out _));

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

        Assert.True(ControlPlaneView.TryRead(snapshot, Own, HeldPolicy.None, Now, out var view, out _, out _));

        Assert.Empty(Assert.Single(view.FederatedBundles.Bundles).JwtAuthorities);
    }

    [Theory]
    [InlineData(-1, false)]
    [InlineData(0, false)]
    [InlineData(1, true)]
    public void Leaves_out_a_token_key_from_the_second_it_expires(int secondsLeft, bool isThere)
    {
        var snapshot = Snapshot();
        var other = TestBundles.Of("other.test");
        other.JwtAuthorities[0].ExpiresAt = Now.AddSeconds(secondsLeft).ToUnixTimeSeconds();
        other.WitAuthorities.Add(new WITKey { KeyId = "w1", PublicKey = other.JwtAuthorities[0].PublicKey, ExpiresAt = other.JwtAuthorities[0].ExpiresAt });
        snapshot.FederatedBundles.Add(other);
        snapshot.Bundle.JwtAuthorities[0].ExpiresAt = 0; // Never.

        Assert.True(ControlPlaneView.TryRead(snapshot, Own, HeldPolicy.None, Now, out var view, out var skipped, out _));

        Assert.Empty(skipped);
        var read = Assert.Single(view.FederatedBundles.Bundles);
        Assert.Equal((isThere, isThere, 1), (read.JwtAuthorities.Count == 1, read.WitAuthorities.Count == 1, read.X509Authorities.Count));
        Assert.Single(view.Bundle.JwtAuthorities);
        Assert.Equal(isThere ? other.JwtAuthorities[0].ExpiresAt : null, view.NextKeyExpiry(Now));
    }

    [Fact]
    public void Loses_token_keys_at_their_hour_and_nothing_else()
    {
        var snapshot = Snapshot();
        snapshot.FederatedBundles.AddRange([TestBundles.Of("other.test"), TestBundles.Of("third.test")]);
        snapshot.FederatedBundles[0].JwtAuthorities[0].ExpiresAt = Now.AddMinutes(1).ToUnixTimeSeconds();
        snapshot.Crls.Add(ByteString.CopyFromUtf8("list"));
        snapshot.Policy = new PolicySnapshot { Revision = 3 };
        snapshot.FreshUntil = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(Now.AddHours(1));
        Assert.True(ControlPlaneView.TryRead(snapshot, Own, HeldPolicy.None, Now, out var view, out _, out _));

        Assert.Same(view, view.WithoutExpiredKeys(Now.AddSeconds(59)));
        var later = view.WithoutExpiredKeys(Now.AddMinutes(1));

        Assert.True(later.FederatedBundles.TryGet(TrustDomain.Parse("other.test"), out var other));
        Assert.Equal((0, 1), (other.JwtAuthorities.Count, other.X509Authorities.Count));
        Assert.True(later.FederatedBundles.TryGet(TrustDomain.Parse("third.test"), out var third));
        Assert.Single(third.JwtAuthorities);
        Assert.Single(later.Bundle.JwtAuthorities);
        // Whatever else a view holds, this one holds too; not the trace of the change that brought the keys.
        string[] made = [nameof(view.Bundle), nameof(view.Bundles), nameof(view.BundleDer), nameof(view.JwtBundleJson), nameof(view.FederatedBundles), nameof(view.Traceparent), nameof(view.IsRevoked), nameof(view.RevokedBy)];
        foreach (var property in typeof(ControlPlaneView).GetProperties().Where(property => !made.Contains(property.Name)))
        {
            var held = property.GetValue(view);
            Assert.Equal(held, property.GetValue(later));
            Assert.False(property.PropertyType.IsValueType && held!.Equals(Activator.CreateInstance(property.PropertyType)), $"{property.Name} would be equal by chance");
        }

        Assert.Same(later, later.WithoutExpiredKeys(Now.AddMinutes(2)));
    }

    [Fact]
    public void Stays_revoked_when_it_loses_a_key()
    {
        var snapshot = Snapshot();
        snapshot.Bundle.JwtAuthorities[0].ExpiresAt = Now.AddMinutes(1).ToUnixTimeSeconds();
        Assert.True(ControlPlaneView.TryRead(snapshot, Own, HeldPolicy.None, Now, out var view, out _, out _));
        Assert.False(view.WithoutExpiredKeys(Now.AddMinutes(2)).IsRevoked);

        var later = view.Revoked("d-abcdefghijklmnopqrstuvwxyz").WithoutExpiredKeys(Now.AddMinutes(2));
        Assert.Empty(later.Bundle.JwtAuthorities);
        Assert.True(later.IsRevoked);
        Assert.Equal("d-abcdefghijklmnopqrstuvwxyz", later.RevokedBy);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(253402300800, false)] // The year 10000.
    [InlineData(long.MaxValue, false)]
    [InlineData(-1, true)]
    [InlineData(long.MinValue, true)]
    public void An_entry_may_end_when_no_date_can_say(long expiresAt, bool isExpired)
    {
        var snapshot = Snapshot();
        snapshot.Entries[0].ExpiresAt = expiresAt;

        Assert.True(ControlPlaneView.TryRead(snapshot, Own, HeldPolicy.None, Now, out var view, out _, out _));

        var entry = Assert.Single(view.Entries.All);
        Assert.Equal(isExpired, entry.IsExpired(Now));
        Assert.InRange(DateTimeOffset.FromUnixTimeSeconds(entry.ExpiresAt), DateTimeOffset.UnixEpoch, DateTimeOffset.MaxValue);
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
