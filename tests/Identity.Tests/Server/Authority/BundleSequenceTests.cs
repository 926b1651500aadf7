using Identity.Server;
using Identity.Server.Authority;
using Identity.Server.Ledger;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;

namespace Identity.Tests.Server.Authority;

/// <summary>Trust Domain and Bundle §4.1.1: who holds two bundles of a trust domain tells by their numbers which is the newer.</summary>
public sealed class BundleSequenceTests : IDisposable
{
    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("rule", "TDB-06")]
    public async Task Grows_whenever_an_X509_or_a_JWT_authority_comes_or_goes()
    {
        await using var ledger = await ControlPlaneLedger.OpenAsync(_folder.At("data"), TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation);

        // Short ones, so that roots come and go as well.
        var lifetimes = new AuthorityLifetimes { Root = TimeSpan.FromDays(5), Issuing = TimeSpan.FromDays(2), Jwt = TimeSpan.FromDays(3) };
        var authority = await SigningAuthority.OpenAsync(
            ledger, new AuthorityKeyFolder(_folder.At("data/keys"), SecretFiles.Unsealed), TrustDomain, new AuthorityOptions { Lifetimes = lifetimes }, _time, Cancellation);
        var before = authority.Bundle(ledger.State);
        var changes = new HashSet<string>();
        for (var hours = 0; hours < 20 * 24; hours += 3)
        {
            _time.Advance(TimeSpan.FromHours(3));
            await authority.RotateAsync(Cancellation);
            var after = authority.Bundle(ledger.State);
            if (after.HasSameAuthorities(before)) Assert.True(after.SequenceNumber >= before.SequenceNumber);
            else Assert.True(after.SequenceNumber > before.SequenceNumber, $"{after.SequenceNumber} does not follow {before.SequenceNumber}");

            if (after.X509Authorities.Count > before.X509Authorities.Count) changes.Add("a root comes");
            if (after.X509Authorities.Count < before.X509Authorities.Count) changes.Add("a root goes");
            if (after.JwtAuthorities.Count > before.JwtAuthorities.Count) changes.Add("a JWT key comes");
            if (after.JwtAuthorities.Count < before.JwtAuthorities.Count) changes.Add("a JWT key goes");
            before = after;
        }

        Assert.Equal(["a JWT key comes", "a JWT key goes", "a root comes", "a root goes"], changes.Order(StringComparer.Ordinal));
    }
}
