using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using CsCheck;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Issuance;

public class X509SvidIssuerTests
{
    private static readonly DateTimeOffset Now = TestAuthority.Now;
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");
    private static readonly SubjectPublicKey Key = TestAuthority.NewKey();
    private static readonly X509Authority Authority = TestAuthority.Create();
    private static readonly X509SvidIssuer Issuer = new(Authority, IssuanceProfile.Default);
    private static readonly long[] Lifetimes = [60, 3600, 86400, 20 * 86400];
    private static readonly ConcurrentDictionary<long, X509Authority> Left = new();

    [Theory]
    [InlineData("ES256")]
    [InlineData("ES384")]
    [InlineData("RS256")]
    public void Issues_what_the_verifier_accepts(string algorithm)
    {
        var authority = TestAuthority.Create(Algorithm(algorithm));
        var issuer = new X509SvidIssuer(authority, IssuanceProfile.Default);
        foreach (var key in new[] { Key, TestAuthority.NewKey(SigningAlgorithm.Es384), TestAuthority.NewKey(SigningAlgorithm.Rs256) })
        {
            var svid = issuer.Issue(Prepare(issuer, new X509SvidRequest(Host, key)));
            var verified = Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Chain, TestAuthority.BundlesOf(authority), Now));
            Assert.Equal(Host, verified.Id);
            Assert.Equal(svid.SerialNumber, verified.SerialNumber);
            Assert.Equal(svid.NotAfter, verified.NotAfter);
        }
    }

    [Fact]
    public void Issues_under_a_root_that_signs_by_itself()
    {
        var root = TestAuthority.CreateRoot();
        var issuer = new X509SvidIssuer(root, IssuanceProfile.Default);
        var svid = issuer.Issue(Prepare(issuer, new X509SvidRequest(Host, Key)));
        Assert.Single(svid.Chain);
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Chain, TestAuthority.BundlesOf(root), Now));
    }

    [Fact]
    public void The_chain_ends_below_the_root_and_the_root_is_beside_it()
    {
        var svid = Issuer.Issue(Prepare(Issuer, new X509SvidRequest(Host, Key)));
        Assert.Equal(2, svid.Chain.Count);
        Assert.Equal(Authority.Certificate, svid.Chain[1]);
        Assert.Equal(Authority.Root, svid.Root);
    }

    [Fact]
    public void The_draft_says_beforehand_what_the_certificate_will_hold()
    {
        var draft = Prepare(Issuer, new X509SvidRequest(Host, Key));
        var svid = Issuer.Issue(draft);
        Assert.True(CertificateFields.TryRead(svid.Leaf, out var leaf, out _));
        Assert.Equal(draft.SerialNumber, Convert.ToHexString(leaf.SerialNumber.Span));
        Assert.Equal(draft.NotBefore, leaf.NotBefore);
        Assert.Equal(draft.NotAfter, leaf.NotAfter);
        Assert.Equal(draft.KeyHash.ToArray(), SHA256.HashData(leaf.SubjectPublicKeyInfo.Span));
        Assert.Equal([draft.Id.ToString()], leaf.AlternativeNames.Uris);
    }

    [Trait("rule", "X509-01")]
    [Trait("rule", "X509-03")]
    [Fact]
    public void A_server_certificate_carries_DNS_names_and_addresses()
    {
        IPAddress[] addresses = [IPAddress.Loopback, IPAddress.IPv6Loopback];
        var svid = Issuer.Issue(Prepare(Issuer, new X509SvidRequest(Host, Key) { DnsNames = ["localhost", "istiod.istio-system.svc"], IpAddresses = addresses }));
        Assert.True(CertificateFields.TryRead(svid.Leaf, out var leaf, out _));
        Assert.Equal(["localhost", "istiod.istio-system.svc"], leaf.AlternativeNames.DnsNames);
        Assert.Equal(addresses, leaf.AlternativeNames.IpAddresses);
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Chain, TestAuthority.BundlesOf(Authority), Now));
    }

    [Trait("rule", "X509-04")]
    [Trait("rule", "X509-08")]
    [Theory]
    [InlineData("spiffe://other.org/hosts/local", "not in the trust domain")]
    [InlineData("spiffe://example.org", "no path")]
    public void Refuses_an_ID_that_is_not_its_to_give(string id, string reason) =>
        AssertRefused(reason, new X509SvidRequest(SpiffeId.Parse(id), Key));

    [Theory]
    [InlineData("")]
    [InlineData("a..b")]
    [InlineData("a.")]
    [InlineData("-a.b")]
    [InlineData("a b")]
    [InlineData("*.example.org")]
    [InlineData("127.0.0.1")]
    [InlineData("10.0.0.1")]
    [InlineData("1")]
    [InlineData("127.1")]
    [InlineData("0x1")]
    [InlineData("ä.example.org")]
    [InlineData("a\0.example.org")]
    [InlineData("a123456789012345678901234567890123456789012345678901234567890123.org")]
    public void Refuses_what_is_not_a_DNS_name(string name) => AssertRefused("is not a DNS name", new X509SvidRequest(Host, Key) { DnsNames = [name] });

    [Fact]
    public void Refuses_too_many_names() =>
        AssertRefused("more than 32", new X509SvidRequest(Host, Key) { DnsNames = [.. Enumerable.Range(0, 33).Select(i => $"n{i}")] });

    [Fact]
    public void Refuses_a_key_on_P521()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP521);
        Assert.True(SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var p521, out _));
        AssertRefused("EcP521", new X509SvidRequest(Host, p521));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-60)]
    [InlineData(9)]
    public void Refuses_a_lifetime_too_short_to_be_meant(int seconds) =>
        AssertRefused("the shortest", new X509SvidRequest(Host, Key) { Lifetime = TimeSpan.FromSeconds(seconds) });

    [Fact]
    public void Cuts_a_lifetime_beyond_the_profile()
    {
        var authority = TestAuthority.Create(left: TimeSpan.FromDays(20));
        var issuer = new X509SvidIssuer(authority, IssuanceProfile.Default);
        Assert.Equal(Now.AddHours(24), Prepare(issuer, new X509SvidRequest(Host, Key) { Lifetime = TimeSpan.FromDays(10) }).NotAfter);
    }

    [Fact]
    public void Never_outlives_its_authority()
    {
        var authority = TestAuthority.Create(left: TimeSpan.FromMinutes(10));
        Assert.Equal(Now.AddMinutes(10), Prepare(new X509SvidIssuer(authority, IssuanceProfile.Default), new X509SvidRequest(Host, Key)).NotAfter);
    }

    [Fact]
    public void Refuses_once_the_authority_has_ended_or_before_it_begins()
    {
        AssertRefused("is valid from", new X509SvidRequest(Host, Key), Now.AddHours(23));
        AssertRefused("is valid from", new X509SvidRequest(Host, Key), Now.AddHours(-2));
    }

    [Theory]
    [InlineData(3600, 120)]
    [InlineData(600, 60)]
    [InlineData(10, 1)]
    public void Backdates_by_a_tenth_of_the_lifetime_and_two_minutes_at_most(int lifetime, int backdated)
    {
        var draft = Prepare(Issuer, new X509SvidRequest(Host, Key) { Lifetime = TimeSpan.FromSeconds(lifetime) });
        Assert.Equal(Now.AddSeconds(-backdated), draft.NotBefore);
        Assert.Equal(Now.AddSeconds(lifetime), draft.NotAfter);
    }

    [Theory]
    [InlineData(100, 100)]
    [InlineData(100_000, 360)]
    [InlineData(-5, 0)]
    public void Takes_jitter_off_the_end_but_never_more_than_a_tenth(int jitter, int taken) =>
        Assert.Equal(
            Now.AddHours(1).AddSeconds(-taken),
            Prepare(Issuer, new X509SvidRequest(Host, Key) { Jitter = TimeSpan.FromSeconds(jitter) }).NotAfter);

    [Fact]
    public void Whatever_is_asked_for_stays_inside_the_authority_and_the_profile() =>
        Gen.Select(Gen.Int[0, 3].Select(i => Lifetimes[i]), Gen.Long[-3600, 10 * 86400], Gen.Long[-100, 100_000], Gen.Long[0, 30 * 86400_000L]).Sample(
            (left, lifetime, jitter, after) =>
            {
                var authority = Left.GetOrAdd(left, seconds => TestAuthority.Create(left: TimeSpan.FromSeconds(seconds)));
                var now = Now.AddMilliseconds(after);
                var request = new X509SvidRequest(Host, Key) { Lifetime = TimeSpan.FromSeconds(lifetime), Jitter = TimeSpan.FromSeconds(jitter) };
                if (new X509SvidIssuer(authority, IssuanceProfile.Default).Prepare(request, now) is not X509SvidPreparation.Prepared(var draft))
                {
                    Assert.True(lifetime < 10 || now.AddSeconds(1) >= authority.NotAfter, $"{lifetime} s was refused at {now:O}");
                    return;
                }

                Assert.InRange(draft.NotBefore, authority.NotBefore, now);
                Assert.InRange(draft.NotAfter, now.AddTicks(1), authority.NotAfter);
                Assert.True(draft.NotAfter - now <= IssuanceProfile.Default.MaxX509Lifetime);
                Assert.True(now - draft.NotBefore < TimeSpan.FromSeconds(Math.Min(120, lifetime / 10.0) + 1));
                Assert.Equal((0, 0), (draft.NotBefore.Millisecond, draft.NotAfter.Millisecond));
            },
            iter: 300);

    [Fact]
    public void Rounds_down_to_whole_seconds() =>
        Assert.Equal(Now.AddHours(1), Prepare(Issuer, new X509SvidRequest(Host, Key), Now.AddMilliseconds(999)).NotAfter);

    [Fact]
    public void Serial_numbers_have_sixteen_bytes_and_do_not_repeat()
    {
        var serials = Enumerable.Range(0, 1000).Select(_ => Prepare(Issuer, new X509SvidRequest(Host, Key)).SerialNumber).ToHashSet();
        Assert.Equal(1000, serials.Count);
        Assert.All(serials, serial => Assert.True(serial.Length == 32 && serial[0] is >= '4' and <= '7'));
    }

    [Fact]
    public void Issues_a_draft_once()
    {
        var draft = Prepare(Issuer, new X509SvidRequest(Host, Key));
        Issuer.Issue(draft);
        Assert.Throws<InvalidOperationException>(() => Issuer.Issue(draft));
    }

    [Fact]
    public void Does_not_issue_the_draft_of_another_issuer()
    {
        var draft = Prepare(Issuer, new X509SvidRequest(Host, Key));
        Assert.Throws<InvalidOperationException>(() => new X509SvidIssuer(Authority, IssuanceProfile.Default).Issue(draft));
    }

    [Fact]
    public void Lets_no_wrong_signature_of_a_remote_key_leave()
    {
        var key = new FaultyKey(LocalAuthorityKey.Generate(SigningAlgorithm.Es256));
        var authority = X509AuthorityFactory.CreateRoot(TestAuthority.Domain, key, Now.AddDays(-1), Now.AddDays(1));
        var issuer = new X509SvidIssuer(authority, IssuanceProfile.Default);
        issuer.Issue(Prepare(issuer, new X509SvidRequest(Host, Key)));
        key.IsFaulty = true;
        Assert.Throws<SignatureFaultException>(() => issuer.Issue(Prepare(issuer, new X509SvidRequest(Host, Key))));
    }

    [Fact]
    public async Task Issues_from_many_threads_at_once()
    {
        var bundles = TestAuthority.BundlesOf(Authority);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(n => Task.Run(
            () =>
            {
                for (var i = 0; i < 20; i++)
                {
                    var id = SpiffeId.Parse($"spiffe://example.org/n{n}/i{i}");
                    var svid = Issuer.Issue(Prepare(Issuer, new X509SvidRequest(id, Key)));
                    Assert.Equal(id, Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Chain, bundles, Now)).Id);
                }
            },
            TestContext.Current.CancellationToken)));
    }

    private static X509SvidDraft Prepare(X509SvidIssuer issuer, X509SvidRequest request, DateTimeOffset? now = null) =>
        Assert.IsType<X509SvidPreparation.Prepared>(issuer.Prepare(request, now ?? Now)).Draft;

    private static void AssertRefused(string reason, X509SvidRequest request, DateTimeOffset? now = null) =>
        Assert.Contains(reason, Assert.IsType<X509SvidPreparation.Refused>(Issuer.Prepare(request, now ?? Now)).Reason, StringComparison.Ordinal);

    private static SigningAlgorithm Algorithm(string name) => name switch
    {
        "ES384" => SigningAlgorithm.Es384,
        "RS256" => SigningAlgorithm.Rs256,
        _ => SigningAlgorithm.Es256,
    };

    /// <summary>A key held elsewhere whose signatures go bad.</summary>
    private sealed class FaultyKey(LocalAuthorityKey key) : IAuthorityKey
    {
        public bool IsFaulty { get; set; }

        public SigningAlgorithm Algorithm => key.Algorithm;

        public SubjectPublicKey PublicKey => key.PublicKey;

        public int Sign(ReadOnlySpan<byte> data, Span<byte> destination, SignatureEncoding encoding) =>
            key.Sign(IsFaulty ? data[1..] : data, destination, encoding);

        public void Dispose() => key.Dispose();
    }
}
