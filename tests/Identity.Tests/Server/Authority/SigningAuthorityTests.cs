using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Issuance;
using Identity.Server;
using Identity.Server.Authority;
using Identity.Server.Ledger;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Xunit;
using AuthorityKind = Identity.Ledger.V1.Authority.Types.Kind;

namespace Identity.Tests.Server.Authority;

public sealed class SigningAuthorityTests : IDisposable
{
    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");
    private static readonly SpiffeId Workload = SpiffeId.Parse("spiffe://example.org/workload");

    private readonly TemporaryFolder _folder = new();
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly FakeTimeProvider _time = new(Now);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Data => _folder.At("data");

    private string Keys => _folder.At("data/keys");

    public void Dispose() => _folder.Dispose();

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
            X509SvidVerifier.Verify(svid.Chain, authority.Bundles(), _time.GetUtcNow())).Id);
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
    public async Task A_crash_before_the_signature_leaves_a_recorded_intent_and_no_credential()
    {
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, _time, Cancellation);
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
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, _time, Cancellation);
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
            ledger, keys, TrustDomain, new AuthorityOptions { JwtKeyType = type, IssuesWitSvids = true }, _time, Cancellation);
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
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, options, _time, Cancellation);
        keys.WrongId = ledger.State.Authorities.Values.Single(a => a.Kind == AuthorityKind.JwtRs256).Id;
        var request = new JwtSigningRequest(Workload, ["cloud"], "server");
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignJwtAsync(request, Cancellation));
        Assert.Contains("does not verify", authority.Fault, StringComparison.Ordinal);
        keys.WrongId = null;
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignJwtAsync(request, Cancellation));
        await KeyIdAsync(authority);
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
        var authority = await SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, options, _time, Cancellation);
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
        Assert.Equal(_time.GetUtcNow().AddSeconds(-60), svid.NotBefore);

        void AssertBegins(AuthorityKind kind, int secondsBack, int lifetime)
        {
            var record = ledger.State.Authorities.Values.Single(a => a.Kind == kind);
            Assert.Equal(_time.GetUtcNow().AddSeconds(-secondsBack), record.NotBefore.ToDateTimeOffset());
            Assert.Equal(TimeSpan.FromSeconds(lifetime), record.NotAfter.ToDateTimeOffset() - record.NotBefore.ToDateTimeOffset());
        }
    }

    [Fact]
    public async Task Short_lived_authorities_rotate_with_overlap_as_long_lived_ones_do()
    {
        await using var ledger = await OpenLedgerAsync();
        var lifetimes = new AuthorityLifetimes { Issuing = TimeSpan.FromMinutes(10), Jwt = TimeSpan.FromMinutes(10) };
        var options = new AuthorityOptions { Lifetimes = lifetimes };
        var authority = await SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, options, _time, Cancellation);
        while (_time.GetUtcNow() < Now.AddHours(1))
        {
            _time.Advance(TimeSpan.FromSeconds(10));
            var known = authority.Bundle(ledger.State).JwtAuthorities.Select(key => key.KeyId).ToList();
            await authority.RotateAsync(Cancellation);
            Assert.Contains(await KeyIdAsync(authority), known);
        }
        Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation));
    }

    [Fact]
    public async Task The_fault_of_a_key_outlasts_the_rotation_of_others_and_ends_with_its_own()
    {
        await using var ledger = await OpenLedgerAsync();
        var keys = new FailingKeys(new AuthorityKeyFolder(Keys, SecretFiles.Unsealed));
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, _time, Cancellation);
        keys.AreWrong = true;
        await Assert.ThrowsAsync<SignatureFaultException>(() => KeyIdAsync(authority));
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignX509Async(X509Request(), Cancellation));
        keys.AreWrong = false;

        _time.Advance(TimeSpan.FromDays(3.6));
        await authority.RotateAsync(Cancellation);
        Assert.Equal(2, authority.Bundle(ledger.State).JwtAuthorities.Count);
        await Assert.ThrowsAsync<SignatureFaultException>(() => KeyIdAsync(authority));
        await Assert.ThrowsAsync<SignatureFaultException>(() => authority.SignX509Async(X509Request(), Cancellation));

        _time.Advance(TimeSpan.FromDays(2.4));
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
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, _time, Cancellation);
        _time.Advance(TimeSpan.FromDays(3.6));
        await authority.RotateAsync(Cancellation);
        var first = await KeyIdAsync(authority);

        _time.Advance(TimeSpan.FromDays(2.4));
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
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, _time, Cancellation);
        _time.Advance(TimeSpan.FromDays(3.6));
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
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, _time, Cancellation);
        var before = await KeyIdAsync(authority);
        keys.WrongId = ledger.State.Authorities.Values.Single(a => a.Kind == AuthorityKind.X509Root).Id;
        _time.Advance(TimeSpan.FromDays(80));
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
        var authority = await SigningAuthority.OpenAsync(ledger, keys, TrustDomain, _time, Cancellation);
        await ledger.DisposeAsync();
        var before = keys.Signatures;
        await Assert.ThrowsAnyAsync<Exception>(() => authority.SignX509Async(X509Request(), Cancellation));
        Assert.Equal(before, keys.Signatures);
    }

    [Fact]
    public async Task Refuses_to_start_when_a_key_is_missing()
    {
        await MakeAsync();
        File.Delete(Directory.GetFiles(Keys)[0]);
        Assert.Contains("is missing", await RefusalAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_to_start_when_keys_were_swapped()
    {
        await MakeAsync();
        var files = Directory.GetFiles(Keys);
        File.Copy(files[0], files[1], overwrite: true);
        File.Copy(files[0], files[2], overwrite: true);
        Assert.Contains("cannot be used", await RefusalAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_to_start_when_a_key_is_garbage()
    {
        await MakeAsync();
        await File.WriteAllTextAsync(Directory.GetFiles(Keys)[0], "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", Cancellation);
        Assert.Contains("is not an unencrypted PKCS#8 key", await RefusalAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_to_start_when_others_may_read_a_key()
    {
        await MakeAsync();
        File.SetUnixFileMode(Directory.GetFiles(Keys)[0], (UnixFileMode)0b110_100_000);
        Assert.Contains("chmod 600", await RefusalAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_to_start_for_another_trust_domain()
    {
        await MakeAsync();
        await using var ledger = await OpenLedgerAsync();
        var refusal = await Assert.ThrowsAsync<CannotStartException>(() =>
            SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain.Parse("other.org"), _time, Cancellation));
        Assert.Contains("trust domain", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Publishes_the_next_token_key_before_it_signs_and_the_last_one_after()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger);
        var first = await KeyIdAsync(authority);

        _time.Advance(TimeSpan.FromDays(3.6));
        await authority.RotateAsync(Cancellation);
        Assert.Equal(2, authority.Bundle(ledger.State).JwtAuthorities.Count);
        Assert.Equal(first, await KeyIdAsync(authority));

        _time.Advance(TimeSpan.FromDays(2.4));
        await authority.RotateAsync(Cancellation);
        var second = await KeyIdAsync(authority);
        Assert.NotEqual(first, second);
        Assert.Equal(2, authority.Bundle(ledger.State).JwtAuthorities.Count);

        _time.Advance(TimeSpan.FromDays(2.1));
        await authority.RotateAsync(Cancellation);
        Assert.DoesNotContain(authority.Bundle(ledger.State).JwtAuthorities, a => a.KeyId == first);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(200)]
    public async Task Goes_on_after_a_start_with_a_clock_that_was_days_ahead(int days)
    {
        await MakeAsync();
        var ahead = new FakeTimeProvider(_time.GetUtcNow().AddDays(days));
        await using (var then = await OpenLedgerAsync())
        {
            await SigningAuthority.OpenAsync(then, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, ahead, Cancellation);
        }

        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger);
        var svid = Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation)).Svid;
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Chain, authority.Bundles(), _time.GetUtcNow()));
        var token = Assert.IsType<JwtSigning.Issued>(await authority.SignJwtAsync(new JwtSigningRequest(Workload, ["someone"], "server"), Cancellation)).Svid;
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token.Token, "someone", authority.Bundles(), _time.GetUtcNow()));
    }

    [Fact]
    public async Task Goes_on_after_sleeping_through_every_lifetime_but_the_roots()
    {
        await MakeAsync();
        _time.Advance(TimeSpan.FromDays(400));
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger);
        var svid = Assert.IsType<X509Signing.Issued>(await authority.SignX509Async(X509Request(), Cancellation)).Svid;
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(svid.Chain, authority.Bundles(), _time.GetUtcNow()));
        Assert.IsType<JwtSigning.Issued>(await authority.SignJwtAsync(new JwtSigningRequest(Workload, ["someone"], "server"), Cancellation));
    }

    private static X509SigningRequest X509Request()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out var problem)
            ? new X509SigningRequest(Workload, publicKey, "server")
            : throw new InvalidOperationException(problem);
    }

    private static async Task<string> KeyIdAsync(SigningAuthority authority)
    {
        var svid = Assert.IsType<JwtSigning.Issued>(await authority.SignJwtAsync(new JwtSigningRequest(Workload, ["someone"], "server"), Cancellation)).Svid;
        return System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(svid.Token.Split('.')[0])).Split("\"kid\":\"")[1].Split('"')[0];
    }

    private async Task MakeAsync()
    {
        await using var ledger = await OpenLedgerAsync();
        await OpenAsync(ledger);
    }

    private async Task<string> RefusalAsync()
    {
        await using var ledger = await OpenLedgerAsync();
        return (await Assert.ThrowsAsync<CannotStartException>(() => OpenAsync(ledger))).Message;
    }

    private Task<ControlPlaneLedger> OpenLedgerAsync() =>
        ControlPlaneLedger.OpenAsync(Data, TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation);

    private Task<SigningAuthority> OpenAsync(ControlPlaneLedger ledger) =>
        SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, _time, Cancellation);

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
