using System.Collections.Frozen;
using System.Security.Cryptography.X509Certificates;
using Identity.Server.Authority;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Xunit;
using AuthorityKind = Identity.Ledger.V1.Authority.Types.Kind;

namespace Identity.Tests.Server.Authority;

public sealed class SigningAuthorityTests : SigningAuthorityTest
{
    [Fact]
    public async Task Keeps_its_authorities_over_a_restart()
    {
        byte[] first;
        await using (var ledger = await OpenLedgerAsync())
        {
            first = (await OpenAsync(ledger)).Bundle(ledger.State).ToJson();
        }
        await using var again = await OpenLedgerAsync();
        var authority = await OpenAsync(again);
        Assert.Equal(first, authority.Bundle(again.State).ToJson());
        Assert.Single(authority.Bundle(again.State).X509Authorities);
        Assert.Equal(1ul, again.State.Revision);
    }

    [Fact]
    public async Task Signs_what_its_bundle_verifies()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger);
        var svid = Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation)).Svid;
        Assert.Equal(Workload, Assert.IsType<X509SvidVerification.Verified>(
            X509SvidVerifier.Verify(svid.Chain, authority.Bundles(), Time.GetUtcNow())).Id);
        var intent = Assert.Single(ledger.ListIssuances(10));
        Assert.Equal(svid.SerialNumber, intent.SerialOrJti, ignoreCase: true);
    }

    [Fact]
    public async Task Refuses_an_identity_of_another_trust_domain_and_records_nothing()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger);
        var foreign = new JwtSigningRequest(SpiffeId.Parse("spiffe://elsewhere.org/x"), ["someone"], "server");
        Assert.IsType<JwtSigning.Refused>(await authority.SignJwtAsync(foreign, Cancellation));
        Assert.Empty(ledger.ListIssuances(10));
    }

    [Fact]
    public async Task Authorities_begin_a_tenth_of_their_lifetime_back_and_no_more_than_two_minutes()
    {
        await using var ledger = await OpenLedgerAsync();
        var lifetimes = new AuthorityLifetimes
        {
            Root = TimeSpan.FromHours(1),
            Issuing = TimeSpan.FromMinutes(10),
            Jwt = TimeSpan.FromMinutes(5),
            Wit = TimeSpan.FromSeconds(100),
        };
        var options = new AuthorityOptions { IssuesWitSvids = true, Rs256Audiences = FrozenSet.Create(StringComparer.Ordinal, "cloud"), Lifetimes = lifetimes };
        var authority = await SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, options, Time, Cancellation);
        AssertBegins(AuthorityKind.X509Root, 120, 3600);
        AssertBegins(AuthorityKind.X509Issuing, 60, 600);
        AssertBegins(AuthorityKind.Jwt, 30, 300);
        AssertBegins(AuthorityKind.JwtRs256, 30, 300);
        AssertBegins(AuthorityKind.Wit, 10, 100);

        // The certificates say so as well, and a short-lived SVID under them begins no earlier than they do.
        foreach (var record in ledger.State.Authorities.Values.Where(a => a.Kind is AuthorityKind.X509Root or AuthorityKind.X509Issuing))
        {
            using var certificate = X509CertificateLoader.LoadCertificate(record.PublicPart.Span);
            Assert.Equal(record.NotBefore.ToDateTime(), certificate.NotBefore.ToUniversalTime());
            Assert.Equal(record.NotAfter.ToDateTime(), certificate.NotAfter.ToUniversalTime());
        }
        var svid = Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation)).Svid;
        Assert.Equal(Time.GetUtcNow().AddSeconds(-60), svid.NotBefore);

        void AssertBegins(AuthorityKind kind, int secondsBack, int lifetime)
        {
            var record = ledger.State.Authorities.Values.Single(a => a.Kind == kind);
            Assert.Equal(Time.GetUtcNow().AddSeconds(-secondsBack), record.NotBefore.ToDateTimeOffset());
            Assert.Equal(TimeSpan.FromSeconds(lifetime), record.NotAfter.ToDateTimeOffset() - record.NotBefore.ToDateTimeOffset());
        }
    }

    [Fact]
    public async Task Short_lived_authorities_rotate_with_overlap_as_long_lived_ones_do()
    {
        await using var ledger = await OpenLedgerAsync();
        var lifetimes = new AuthorityLifetimes { Issuing = TimeSpan.FromMinutes(10), Jwt = TimeSpan.FromMinutes(10) };
        var options = new AuthorityOptions { Lifetimes = lifetimes };
        var authority = await SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, options, Time, Cancellation);
        while (Time.GetUtcNow() < Now.AddHours(1))
        {
            Time.Advance(TimeSpan.FromSeconds(10));
            var known = authority.Bundle(ledger.State).JwtAuthorities.Select(key => key.KeyId).ToList();
            await authority.RotateAsync(Cancellation);
            Assert.Contains(await KeyIdAsync(authority), known);
        }
        Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation));
    }

    [Fact]
    public async Task Publishes_the_next_token_key_before_it_signs_and_the_last_one_after()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger);
        var first = await KeyIdAsync(authority);

        Time.Advance(TimeSpan.FromDays(3.6));
        await authority.RotateAsync(Cancellation);
        Assert.Equal(2, authority.Bundle(ledger.State).JwtAuthorities.Count);
        Assert.Equal(first, await KeyIdAsync(authority));

        Time.Advance(TimeSpan.FromDays(2.4));
        await authority.RotateAsync(Cancellation);
        var second = await KeyIdAsync(authority);
        Assert.NotEqual(first, second);
        Assert.Equal(2, authority.Bundle(ledger.State).JwtAuthorities.Count);

        Time.Advance(TimeSpan.FromDays(2.1));
        await authority.RotateAsync(Cancellation);
        Assert.DoesNotContain(authority.Bundle(ledger.State).JwtAuthorities, a => a.KeyId == first);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(200)]
    public async Task Goes_on_after_a_start_with_a_clock_that_was_days_ahead(int days)
    {
        await MakeAsync();
        var ahead = new FakeTimeProvider(Time.GetUtcNow().AddDays(days));
        await using (var then = await OpenLedgerAsync())
        {
            await SigningAuthority.OpenAsync(then, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, ahead, Cancellation);
        }

        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger);
        var svid = Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation)).Svid;
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Chain, authority.Bundles(), Time.GetUtcNow()));
        var token = Assert.IsType<JwtSigning.Issued>(await authority.SignJwtAsync(new JwtSigningRequest(Workload, ["someone"], "server"), Cancellation)).Svid;
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token.Token, "someone", authority.Bundles(), Time.GetUtcNow()));
    }

    [Fact]
    public async Task Goes_on_after_sleeping_through_every_lifetime_but_the_roots()
    {
        await MakeAsync();
        Time.Advance(TimeSpan.FromDays(400));
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger);
        var svid = Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation)).Svid;
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Chain, authority.Bundles(), Time.GetUtcNow()));
        Assert.IsType<JwtSigning.Issued>(await authority.SignJwtAsync(new JwtSigningRequest(Workload, ["someone"], "server"), Cancellation));
    }
}
