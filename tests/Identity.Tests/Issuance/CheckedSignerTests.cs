using System.Security.Cryptography;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Issuance;

public class CheckedSignerTests
{
    [Fact]
    public void Lets_no_wrong_signature_of_a_signer_elsewhere_leave_not_even_once()
    {
        using var key = new OtherKey(LocalAuthorityKey.Generate(SigningAlgorithm.Es256));
        var signer = new CheckedSigner(key);
        Assert.True(Sign(signer) > 0);
        key.IsFaulty = true;
        AssertFault(signer, unverifiedBefore: 0);
    }

    [Theory]
    [InlineData("ES256")]
    [InlineData("RS256")]
    public void A_signer_elsewhere_is_verified_every_time(string algorithm)
    {
        using var key = new OtherKey(LocalAuthorityKey.Generate(algorithm == "RS256" ? SigningAlgorithm.Rs256 : SigningAlgorithm.Es256));
        var signer = new CheckedSigner(key);
        for (var i = 0; i < 20; i++) Sign(signer);
        key.IsFaulty = true;
        AssertFault(signer, unverifiedBefore: 0);
    }

    [Fact]
    public void A_local_RSA_key_is_verified_every_time()
    {
        using var rsa = RSA.Create(2048);
        using var key = new LocalAuthorityKey(rsa, PublicOf(rsa.ExportSubjectPublicKeyInfo()), SigningAlgorithm.Rs256);
        var signer = new CheckedSigner(key);
        for (var i = 0; i < 5; i++) Assert.True(Sign(signer) > 0);
        using var other = RSA.Create(2048);
        rsa.ImportParameters(other.ExportParameters(true));
        AssertFault(signer, unverifiedBefore: 0);
    }

    [Theory]
    [InlineData("ES256")]
    [InlineData("ES384")]
    public void A_local_EC_key_is_verified_at_its_first_signature_and_at_every_256th_after_it(string name)
    {
        var (algorithm, curve) = name == "ES256" ? (SigningAlgorithm.Es256, ECCurve.NamedCurves.nistP256) : (SigningAlgorithm.Es384, ECCurve.NamedCurves.nistP384);
        using var ec = ECDsa.Create(curve);
        using var key = new LocalAuthorityKey(ec, PublicOf(ec.ExportSubjectPublicKeyInfo()), algorithm);
        var signer = new CheckedSigner(key);
        Assert.True(Sign(signer) > 0);
        ec.GenerateKey(curve);
        for (var i = 1; i < CheckedSigner.SampleEvery; i++) Assert.True(Sign(signer) > 0);
        AssertFault(signer, unverifiedBefore: CheckedSigner.SampleEvery - 1);
        AssertFault(new CheckedSigner(key), unverifiedBefore: CheckedSigner.SampleEvery - 1);
    }

    [Fact]
    public void After_a_fault_the_key_signs_no_more_even_if_it_seems_well_again()
    {
        using var key = new OtherKey(LocalAuthorityKey.Generate(SigningAlgorithm.Es256)) { IsFaulty = true };
        var signer = new CheckedSigner(key);
        AssertFault(signer, unverifiedBefore: 0);
        key.IsFaulty = false;
        var before = key.Signatures;
        AssertFault(signer, unverifiedBefore: 0);
        Assert.Equal(before, key.Signatures);
    }

    [Fact]
    public void A_fault_of_one_issuer_stops_every_issuer_of_the_same_authority()
    {
        var key = new OtherKey(LocalAuthorityKey.Generate(SigningAlgorithm.Es256));
        var authority = X509AuthorityFactory.CreateRoot(TestAuthority.Domain, key, TestAuthority.Now.AddDays(-1), TestAuthority.Now.AddDays(1));
        var (one, two) = (new X509SvidIssuer(authority, IssuanceProfile.Default), new X509SvidIssuer(authority, IssuanceProfile.Default));
        key.IsFaulty = true;
        Assert.Throws<SignatureFaultException>(() => one.Issue(Prepare(one)));
        key.IsFaulty = false;
        Assert.Throws<SignatureFaultException>(() => two.Issue(Prepare(two)));
    }

    [Theory]
    [InlineData("ES256")]
    [InlineData("RS256")]
    public void A_fault_of_one_issuer_of_tokens_stops_every_issuer_of_the_same_key(string algorithm)
    {
        var key = new OtherKey(LocalAuthorityKey.Generate(algorithm == "RS256" ? SigningAlgorithm.Rs256 : SigningAlgorithm.Es256));
        Assert.True(JwtSigningAuthority.TryCreate(
            TestAuthority.Domain, key, TestAuthority.Now.AddDays(-1), TestAuthority.Now.AddDays(1), out var authority, out _));
        var (one, two) = (new JwtSvidIssuer(authority, IssuanceProfile.Default), new JwtSvidIssuer(authority, IssuanceProfile.Default));
        two.Issue(Prepare(two));
        key.IsFaulty = true;
        Assert.Throws<SignatureFaultException>(() => one.Issue(Prepare(one)));
        key.IsFaulty = false;
        Assert.Throws<SignatureFaultException>(() => two.Issue(Prepare(two)));
    }

    [Fact]
    public void A_key_that_signs_wrongly_makes_no_authority()
    {
        var key = new OtherKey(LocalAuthorityKey.Generate(SigningAlgorithm.Es256)) { IsFaulty = true };
        Assert.Throws<SignatureFaultException>(() =>
            X509AuthorityFactory.CreateRoot(TestAuthority.Domain, key, TestAuthority.Now, TestAuthority.Now.AddDays(1)));
        key.IsFaulty = false;
        var made = X509AuthorityFactory.CreateRoot(TestAuthority.Domain, key, TestAuthority.Now, TestAuthority.Now.AddDays(1));
        key.IsFaulty = true;
        Assert.False(X509Authority.TryCreate(TestAuthority.Domain, key, made.Path, out _, out var problem));
        Assert.Contains("does not verify", problem, StringComparison.Ordinal);
    }

    private static X509SvidDraft Prepare(X509SvidIssuer issuer) => Assert.IsType<X509SvidPreparation.Prepared>(
        issuer.Prepare(new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/x"), TestAuthority.NewKey()), TestAuthority.Now)).Draft;

    private static JwtSvidDraft Prepare(JwtSvidIssuer issuer) => Assert.IsType<JwtSvidPreparation.Prepared>(
        issuer.Prepare(new JwtSvidRequest(SpiffeId.Parse("spiffe://example.org/x"), ["someone"]), TestAuthority.Now)).Draft;

    private static int Sign(CheckedSigner signer) => signer.Sign("data"u8, new byte[signer.Algorithm.MaxSignatureLength], SignatureEncoding.X509);

    private static void AssertFault(CheckedSigner signer, int unverifiedBefore)
    {
        var destination = new byte[signer.Algorithm.MaxSignatureLength];
        var fault = Assert.Throws<SignatureFaultException>(() => signer.Sign("data"u8, destination, SignatureEncoding.X509));
        Assert.Equal(unverifiedBefore, fault.UnverifiedBefore);
        Assert.All(destination, b => Assert.Equal(0, b));
    }

    private static SubjectPublicKey PublicOf(byte[] subjectPublicKeyInfo) =>
        SubjectPublicKey.TryParse(subjectPublicKeyInfo, out var key, out var problem) ? key : throw new InvalidOperationException(problem);

    /// <summary>A key held elsewhere whose signatures go bad.</summary>
    private sealed class OtherKey(LocalAuthorityKey key) : IAuthorityKey
    {
        public bool IsFaulty { get; set; }

        public int Signatures { get; private set; }

        public SigningAlgorithm Algorithm => key.Algorithm;

        public SubjectPublicKey PublicKey => key.PublicKey;

        public int Sign(ReadOnlySpan<byte> data, Span<byte> destination, SignatureEncoding encoding)
        {
            Signatures++;
            return key.Sign(IsFaulty ? data[1..] : data, destination, encoding);
        }

        public void Dispose() => key.Dispose();
    }
}
