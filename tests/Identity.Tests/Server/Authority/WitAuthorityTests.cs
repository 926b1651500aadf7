using System.Security.Cryptography;
using Identity.Server.Authority;
using Identity.Server.Ledger;
using Identity.Tests.SpiffeNet;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Server.Authority;

/// <summary>WIT-SVIDs are Incubating: nothing of them is there until they are turned on, and nothing is left when they are turned off.</summary>
public sealed class WitAuthorityTests : IDisposable
{
    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");
    private static readonly SpiffeId Workload = SpiffeId.Parse("spiffe://example.org/workload");
    private static readonly ProofKey Key = WitForge.KeyOf(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Nothing_is_signed_or_published_unless_turned_on()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, isOn: false);
        Assert.IsType<WitSigning.Off>(await authority.SignWitAsync(new WitSigningRequest(Workload, Key, "server"), Cancellation));
        Assert.Empty(authority.Bundle(ledger.State).WitAuthorities);
        Assert.Empty(ledger.ListIssuances(10));
    }

    [Fact]
    [Trait("rule", "TDB-01")]
    [Trait("rule", "WIT-21")]
    [Trait("rule", "WIT-22")]
    public async Task Signs_with_a_key_of_its_own_and_records_the_intent()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, isOn: true);
        var svid = Assert.IsType<WitSigning.Issued>(await authority.SignWitAsync(new WitSigningRequest(Workload, Key, "server") { EntryId = "e" }, Cancellation)).Svid;
        var intent = Assert.Single(ledger.ListIssuances(10));
        Assert.Equal(global::Identity.Ledger.V1.Issuance.Types.Kind.WitSvid, intent.Kind);
        Assert.Equal(svid.TokenId, intent.SerialOrJti);
        Assert.Equal(Key.PublicKey.ComputeSha256(), intent.KeyHash.ToByteArray());
        var bundle = authority.Bundle(ledger.State);
        var wit = Assert.Single(bundle.WitAuthorities);
        var jwt = Assert.Single(bundle.JwtAuthorities);
        Assert.NotEqual(jwt.KeyId, wit.KeyId);
        Assert.NotEqual(jwt.SubjectPublicKeyInfo.ToArray(), wit.SubjectPublicKeyInfo.ToArray());
        Assert.Contains($"\"use\":\"wit-svid\",\"kid\":\"{wit.KeyId}\"", System.Text.Encoding.UTF8.GetString(bundle.ToJson()), StringComparison.Ordinal);
        Assert.True(WitSvid.TryParseUnverified(svid.Token, out var read, out _));
        Assert.Equal(wit.KeyId, read.KeyId);
    }

    [Fact]
    public async Task Refuses_an_identity_of_another_trust_domain_and_records_nothing()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, isOn: true);
        Assert.IsType<WitSigning.Refused>(
            await authority.SignWitAsync(new WitSigningRequest(SpiffeId.Parse("spiffe://elsewhere.org/x"), Key, "server"), Cancellation));
        Assert.Empty(ledger.ListIssuances(10));
    }

    [Fact]
    [Trait("rule", "TDB-06")]
    public async Task Turning_it_on_and_off_changes_the_bundle_and_its_sequence_number()
    {
        await using var ledger = await OpenLedgerAsync();
        var before = (await OpenAsync(ledger, isOn: false)).Bundle(ledger.State);
        var on = (await OpenAsync(ledger, isOn: true)).Bundle(ledger.State);
        var after = (await OpenAsync(ledger, isOn: false)).Bundle(ledger.State);
        Assert.Single(on.WitAuthorities);
        Assert.Empty(after.WitAuthorities);
        Assert.True(after.HasSameAuthorities(before));
        Assert.True(before.SequenceNumber < on.SequenceNumber && on.SequenceNumber < after.SequenceNumber);
        Assert.Equal(3, Directory.GetFiles(_folder.At("data/keys")).Length);
    }

    [Fact]
    public async Task Rotates_as_the_other_token_keys_do()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, isOn: true);
        var first = Assert.Single(authority.Bundle(ledger.State).WitAuthorities).KeyId;
        _time.Advance(TimeSpan.FromDays(3.6));
        await authority.RotateAsync(Cancellation);
        Assert.Equal(2, authority.Bundle(ledger.State).WitAuthorities.Count);
        _time.Advance(TimeSpan.FromDays(4.5));
        await authority.RotateAsync(Cancellation);
        Assert.DoesNotContain(authority.Bundle(ledger.State).WitAuthorities, a => a.KeyId == first);
        Assert.IsType<WitSigning.Issued>(await authority.SignWitAsync(new WitSigningRequest(Workload, Key, "server"), Cancellation));
    }

    private Task<ControlPlaneLedger> OpenLedgerAsync() =>
        ControlPlaneLedger.OpenAsync(_folder.At("data"), TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation);

    private Task<SigningAuthority> OpenAsync(ControlPlaneLedger ledger, bool isOn) => SigningAuthority.OpenAsync(
        ledger, new AuthorityKeyFolder(_folder.At("data/keys"), SecretFiles.Unsealed), TrustDomain, new AuthorityOptions { IssuesWitSvids = isOn }, _time, Cancellation);
}
