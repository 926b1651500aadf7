using System.Collections.Frozen;
using System.Security.Cryptography;
using Identity.Issuance;
using Identity.Server;
using Identity.Server.Authority;
using Spiffe.Net;
using Xunit;
using AuthorityKind = Identity.Ledger.V1.Authority.Types.Kind;

namespace Identity.Tests.Server.Authority;

/// <summary>Keys that fail, sign wrongly or cannot be read.</summary>
public sealed class SigningAuthorityFaultTests : SigningAuthorityTest
{
    [Fact]
    public async Task A_crash_before_the_signature_leaves_a_recorded_intent_and_no_credential()
    {
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, Time, Cancellation);
        keys.AreBroken = true;
        await Assert.ThrowsAsync<CryptographicException>(() => authority.SignX509Async(X509Request(), Cancellation));
        await Assert.ThrowsAsync<CryptographicException>(() =>
            authority.SignJwtAsync(new JwtSigningRequest(Workload, ["someone"], "server"), Cancellation));
        Assert.Equal(2, ledger.ListIssuances(10).Count);
    }

    [Fact]
    public async Task A_wrong_signature_leaves_a_fault_for_all_to_see_and_ends_the_use_of_the_key()
    {
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, Time, Cancellation);
        Assert.Null(authority.Fault);
        keys.AreWrong = true;
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignX509Async(X509Request(), Cancellation));
        Assert.Contains("does not verify", authority.Fault, StringComparison.Ordinal);
        keys.AreWrong = false;
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignX509Async(X509Request() with { IsLongLived = true }, Cancellation));
        Assert.Equal(2, ledger.ListIssuances(10).Count);
    }

    [Theory]
    [InlineData("ec-p256")]
    [InlineData("rsa-2048")]
    public async Task A_wrong_token_signature_never_leaves_and_ends_the_use_of_the_key(string keyType)
    {
        Assert.True(JwtKeyType.TryParse(keyType, out var type, out _));
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(
            ledger, keys, TrustDomain, new AuthorityOptions { JwtKeyType = type, IssuesWitSvids = true }, Time, Cancellation);
        await KeyIdAsync(authority);
        keys.AreWrong = true;
        await Assert.ThrowsAsync<SignatureFaultException>(() => KeyIdAsync(authority));
        Assert.Contains("does not verify", authority.Fault, StringComparison.Ordinal);
        keys.AreWrong = false;
        var signatures = keys.Signatures;
        await Assert.ThrowsAsync<SignatureFaultException>(() => KeyIdAsync(authority));
        Assert.Equal(signatures, keys.Signatures);
        Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation));
    }

    [Fact]
    public async Task A_wrong_RS256_signature_ends_the_use_of_that_key_alone_and_no_other_takes_its_place()
    {
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var options = new AuthorityOptions { Rs256Audiences = FrozenSet.Create(StringComparer.Ordinal, "cloud") };
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, options, Time, Cancellation);
        keys.WrongId = ledger.State.Authorities.Values.Single(a => a.Kind == AuthorityKind.JwtRs256).Id;
        var request = new JwtSigningRequest(Workload, ["cloud"], "server");
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignJwtAsync(request, Cancellation));
        Assert.Contains("does not verify", authority.Fault, StringComparison.Ordinal);
        keys.WrongId = null;
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignJwtAsync(request, Cancellation));
        await KeyIdAsync(authority);
    }

    [Fact]
    public async Task The_fault_of_a_key_outlasts_the_rotation_of_others_and_ends_with_its_own()
    {
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, Time, Cancellation);
        keys.AreWrong = true;
        await Assert.ThrowsAsync<SignatureFaultException>(() => KeyIdAsync(authority));
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignX509Async(X509Request(), Cancellation));
        keys.AreWrong = false;

        Time.Advance(TimeSpan.FromDays(3.6));
        await authority.RotateAsync(Cancellation);
        Assert.Equal(2, authority.Bundle(ledger.State).JwtAuthorities.Count);
        await Assert.ThrowsAsync<SignatureFaultException>(() => KeyIdAsync(authority));
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignX509Async(X509Request(), Cancellation));

        Time.Advance(TimeSpan.FromDays(2.4));
        await authority.RotateAsync(Cancellation);
        await KeyIdAsync(authority);
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignX509Async(X509Request(), Cancellation));
        Assert.NotNull(authority.Fault);
    }

    [Fact]
    public async Task A_key_that_could_not_be_read_when_it_took_over_signs_as_soon_as_it_can_be()
    {
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, Time, Cancellation);
        Time.Advance(TimeSpan.FromDays(3.6));
        await authority.RotateAsync(Cancellation);
        var first = await KeyIdAsync(authority);

        Time.Advance(TimeSpan.FromDays(2.4));
        keys.AreUnreadable = true;
        await Assert.ThrowsAsync<CannotStartException>(() => authority.RotateAsync(Cancellation));
        Assert.Equal(first, await KeyIdAsync(authority));
        keys.AreUnreadable = false;
        await authority.RotateAsync(Cancellation);
        Assert.NotEqual(first, await KeyIdAsync(authority));
    }

    [Fact]
    public async Task Of_the_keys_it_reads_it_keeps_only_those_that_sign()
    {
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, Time, Cancellation);
        Time.Advance(TimeSpan.FromDays(3.6));
        await authority.RotateAsync(Cancellation);

        var prepared = ledger.State.Authorities.Values.Single(a => a.Kind == AuthorityKind.Jwt && a.State == Identity.Ledger.V1.Authority.Types.State.Prepared).Id;
        Assert.Equal([prepared], keys.Disposed.Distinct());
        Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation));
    }

    [Fact]
    public async Task A_root_that_signs_wrongly_shows_its_fault_and_makes_no_issuing_certificate_but_lets_token_keys_rotate()
    {
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, Time, Cancellation);
        var before = await KeyIdAsync(authority);
        keys.WrongId = ledger.State.Authorities.Values.Single(a => a.Kind == AuthorityKind.X509Root).Id;
        Time.Advance(TimeSpan.FromDays(80));
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.RotateAsync(Cancellation));
        keys.WrongId = null;
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.RotateAsync(Cancellation));
        Assert.NotNull(authority.Fault);
        Assert.Single(ledger.State.Authorities.Values, a => a.Kind == AuthorityKind.X509Issuing);
        Assert.NotEqual(before, await KeyIdAsync(authority));
    }

    [Fact]
    public async Task Makes_no_signature_when_the_intent_cannot_be_recorded()
    {
        var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, Time, Cancellation);
        await ledger.DisposeAsync();
        var before = keys.Signatures;
        await Assert.ThrowsAnyAsync<Exception>(() => authority.SignX509Async(X509Request(), Cancellation));
        Assert.Equal(before, keys.Signatures);
    }

    /// <summary>Real keys that stop signing, as a process does that dies.</summary>
    private sealed class FailingKeys(IAuthorityKeys keys) : IAuthorityKeys
    {
        public bool AreBroken { get; set; }

        public bool AreWrong { get; set; }

        /// <summary>One key that is wrong while the others are right.</summary>
        public string? WrongId { get; set; }

        public int Signatures { get; set; }

        public bool AreUnreadable { get; set; }

        public List<string> Disposed { get; } = [];

        public IAuthorityKey Create(SigningAlgorithm algorithm, Func<IAuthorityKey, string> name) => keys.Create(algorithm, name);

        public IAuthorityKey? Load(string id, out string? problem)
        {
            problem = "the disk does not answer";
            return !AreUnreadable && keys.Load(id, out problem) is { } key ? new FailingKey(key, id, this) : null;
        }

        public void Forget(string id) => keys.Forget(id);
    }

    private sealed class FailingKey(IAuthorityKey key, string id, FailingKeys owner) : IAuthorityKey
    {
        public SigningAlgorithm Algorithm => key.Algorithm;

        public SubjectPublicKey PublicKey => key.PublicKey;

        public int Sign(ReadOnlySpan<byte> data, Span<byte> destination, SignatureEncoding encoding)
        {
            owner.Signatures++;
            var isWrong = owner.AreWrong || owner.WrongId == id;
            return owner.AreBroken ? throw new CryptographicException("gone") : key.Sign(isWrong ? data[1..] : data, destination, encoding);
        }

        public void Dispose()
        {
            owner.Disposed.Add(id);
            key.Dispose();
        }
    }
}
