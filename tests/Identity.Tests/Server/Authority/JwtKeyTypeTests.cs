using System.Buffers.Text;
using System.Collections;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Identity.Issuance;
using Identity.Server.Authority;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Server.Authority;

/// <summary>What <c>--jwt-key-type</c> does on the first start, and what changing it does at a later one.</summary>
public sealed class JwtKeyTypeTests : IDisposable
{
    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");
    private static readonly SpiffeId Workload = SpiffeId.Parse("spiffe://example.org/workload");
    private static readonly TimeSpan HeadStart = TimeSpan.FromHours(25) - Backdating.Of(AuthorityLifetimes.Default.Jwt);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Signs_ES256_unless_told_otherwise()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, _time, Cancellation);
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority)));
        Assert.Equal(["EC"], KeyTypes(authority, ledger));
    }

    [Fact]
    public async Task Signs_RS256_with_a_key_of_2048_bits_that_the_bundle_holds()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, JwtKeyType.Rsa2048);
        var token = await SignAsync(authority);
        Assert.Equal("RS256", AlgorithmOf(token));
        AssertVerifies(authority, token);

        // What a cloud does: the numbers from the published document, and a library that is not ours.
        var jwk = Assert.Single(JwtKeys(authority, ledger));
        Assert.Equal("RSA", jwk.GetProperty("kty").GetString());
        using var key = RSA.Create(new RSAParameters
        {
            Modulus = Base64Url.DecodeFromChars(jwk.GetProperty("n").GetString()),
            Exponent = Base64Url.DecodeFromChars(jwk.GetProperty("e").GetString()),
        });
        Assert.Equal(2048, key.KeySize);
        var end = token.LastIndexOf('.');
        Assert.True(key.VerifyData(
            Encoding.ASCII.GetBytes(token[..end]), Base64Url.DecodeFromChars(token.AsSpan(end + 1)), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
    }

    [Fact]
    public async Task Leaves_all_other_keys_what_they_are()
    {
        await using var ledger = await OpenLedgerAsync();
        var options = new AuthorityOptions { JwtKeyType = JwtKeyType.Rsa2048, IssuesWitSvids = true };
        var authority = await SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, options, _time, Cancellation);
        Assert.Equal(PublicKeyKind.EcP256, Assert.Single(authority.Bundle(ledger.State).WitAuthorities).Kind);
        Assert.Equal(PublicKeyKind.Rsa, Assert.Single(authority.Bundle(ledger.State).JwtAuthorities).Kind);
        Assert.Single(KindsOnDisk(), kind => kind == PublicKeyKind.Rsa);
    }

    [Fact]
    public async Task A_changed_setting_publishes_a_key_at_once_that_signs_after_its_head_start()
    {
        string before;
        await using (var ledger = await OpenLedgerAsync())
        {
            before = await SignAsync(await OpenAsync(ledger, JwtKeyType.EcP256));
        }
        await using var again = await OpenLedgerAsync();
        var authority = await OpenAsync(again, JwtKeyType.Rsa2048);
        Assert.Equal(["EC", "RSA"], KeyTypes(authority, again));
        AssertVerifies(authority, before);
        var during = await SignAsync(authority);
        Assert.Equal("ES256", AlgorithmOf(during));

        Assert.Equal(_time.GetUtcNow() + HeadStart, await authority.RotateAsync(Cancellation));
        await AdvanceAsync(authority, HeadStart - TimeSpan.FromSeconds(1));
        var last = await SignAsync(authority);
        Assert.Equal("ES256", AlgorithmOf(last));

        await AdvanceAsync(authority, TimeSpan.FromSeconds(1));
        var first = await SignAsync(authority);
        Assert.Equal("RS256", AlgorithmOf(first));
        AssertVerifies(authority, first);
        AssertVerifies(authority, last);
        Assert.Equal(["EC", "RSA"], KeyTypes(authority, again));
    }

    [Fact]
    public async Task The_old_type_stays_published_until_what_it_signed_has_expired()
    {
        await using var ledger = await OpenLedgerAsync();
        await OpenAsync(ledger, JwtKeyType.EcP256);
        var authority = await OpenAsync(ledger, JwtKeyType.Rsa2048);
        await AdvanceAsync(authority, HeadStart);
        await AdvanceAsync(authority, TimeSpan.FromDays(6.5));
        Assert.Contains("EC", KeyTypes(authority, ledger));
        await AdvanceAsync(authority, TimeSpan.FromDays(0.6));
        Assert.All(KeyTypes(authority, ledger), type => Assert.Equal("RSA", type));
        Assert.Equal("RS256", AlgorithmOf(await SignAsync(authority)));
    }

    [Fact]
    public async Task Changed_back_before_it_signed_the_new_key_is_dropped_from_bundle_and_disk()
    {
        await using var ledger = await OpenLedgerAsync();
        var before = (await OpenAsync(ledger, JwtKeyType.EcP256)).Bundle(ledger.State);
        var during = (await OpenAsync(ledger, JwtKeyType.Rsa2048)).Bundle(ledger.State);
        var authority = await OpenAsync(ledger, JwtKeyType.EcP256);
        var after = authority.Bundle(ledger.State);
        Assert.True(after.HasSameAuthorities(before));
        Assert.True(before.SequenceNumber < during.SequenceNumber && during.SequenceNumber < after.SequenceNumber);
        Assert.DoesNotContain(PublicKeyKind.Rsa, KindsOnDisk());
        await AdvanceAsync(authority, HeadStart);
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority)));
    }

    [Fact]
    public async Task Changed_back_after_it_signed_the_same_happens_the_other_way_round()
    {
        await using var ledger = await OpenLedgerAsync();
        await OpenAsync(ledger, JwtKeyType.EcP256);
        await AdvanceAsync(await OpenAsync(ledger, JwtKeyType.Rsa2048), HeadStart);
        var authority = await OpenAsync(ledger, JwtKeyType.EcP256);
        Assert.Equal(["EC", "EC", "RSA"], KeyTypes(authority, ledger));
        var last = await SignAsync(authority);
        Assert.Equal("RS256", AlgorithmOf(last));
        await AdvanceAsync(authority, HeadStart);
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority)));
        AssertVerifies(authority, last, _time.GetUtcNow() - HeadStart);
    }

    [Fact]
    public async Task A_prepared_key_of_the_wrong_type_is_dropped_for_one_of_the_right_one()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, JwtKeyType.EcP256);
        await AdvanceAsync(authority, TimeSpan.FromDays(4));
        Assert.Equal(["EC", "EC"], KeyTypes(authority, ledger));
        authority = await OpenAsync(ledger, JwtKeyType.Rsa2048);
        Assert.Equal(["EC", "RSA"], KeyTypes(authority, ledger));
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority)));
    }

    [Fact]
    public async Task No_token_is_cut_short_and_none_is_signed_by_an_unpublished_key_however_late_the_setting_changes()
    {
        // The moment before an EC key that was prepared long ago would have taken over.
        await using var ledger = await OpenLedgerAsync();
        await AdvanceAsync(await OpenAsync(ledger, JwtKeyType.EcP256), TimeSpan.FromDays(4));
        _time.Advance((TimeSpan.FromDays(7) * 5 / 6) - TimeSpan.FromDays(4) - Backdating.Of(AuthorityLifetimes.Default.Jwt) - TimeSpan.FromSeconds(1));
        var authority = await OpenAsync(ledger, JwtKeyType.Rsa2048);
        await AdvanceAsync(authority, HeadStart - TimeSpan.FromSeconds(1));
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority, TimeSpan.FromHours(1))));
        await AdvanceAsync(authority, TimeSpan.FromSeconds(1));
        Assert.Equal("RS256", AlgorithmOf(await SignAsync(authority, TimeSpan.FromHours(1))));
    }

    [Fact]
    public async Task Is_at_once_of_the_wanted_type_when_nothing_it_signed_before_is_left()
    {
        await using var ledger = await OpenLedgerAsync();
        await OpenAsync(ledger, JwtKeyType.EcP256);
        _time.Advance(TimeSpan.FromDays(30));
        var authority = await OpenAsync(ledger, JwtKeyType.Rsa2048);
        Assert.Equal("RS256", AlgorithmOf(await SignAsync(authority)));
        Assert.Equal(["RSA"], KeyTypes(authority, ledger));
    }

    [Fact]
    public async Task Rotates_RSA_keys_as_it_does_EC_keys()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, JwtKeyType.Rsa2048);
        var first = Assert.Single(authority.Bundle(ledger.State).JwtAuthorities).KeyId;
        await AdvanceAsync(authority, TimeSpan.FromDays(3.6));
        Assert.Equal(["RSA", "RSA"], KeyTypes(authority, ledger));
        await AdvanceAsync(authority, TimeSpan.FromDays(4.5));
        Assert.DoesNotContain(authority.Bundle(ledger.State).JwtAuthorities, a => a.KeyId == first);
        AssertVerifies(authority, await SignAsync(authority));
    }

    [Fact]
    public async Task RSA_keys_are_sealed_at_rest_and_load_again()
    {
        Assert.True(KeyEncryptionKey.TryParse(Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), out var sealing));
        await using var ledger = await OpenLedgerAsync();
        var token = await SignAsync(await OpenAsync(ledger, JwtKeyType.Rsa2048, new SecretFiles(sealing, null)));
        Assert.All(Directory.GetFiles(Keys), file => Assert.True(KeyEncryptionKey.IsSealed(File.ReadAllBytes(file))));
        var again = await OpenAsync(ledger, JwtKeyType.Rsa2048, new SecretFiles(sealing, null));
        AssertVerifies(again, token);
        Assert.Equal(KeyIdOf(token), KeyIdOf(await SignAsync(again)));
    }

    [Theory]
    [InlineData("rsa")]
    [InlineData("rsa-4096")]
    [InlineData("RSA-2048")]
    [InlineData("ES256")]
    public void Another_value_is_refused_with_both_names(string value)
    {
        var settings = ServerSettings.Gather([$"--jwt-key-type={value}"], new Hashtable());
        Assert.False(ServerOptions.TryRead(settings, Data, out _, out var problems));
        Assert.Equal($"jwt-key-type: \"{value}\" is not a key type; give ec-p256 (ES256) or rsa-2048 (RS256)", Assert.Single(problems));
    }

    [Fact]
    public void Is_read_as_a_flag_a_variable_or_not_at_all()
    {
        Assert.Same(JwtKeyType.Rsa2048, Read(["--jwt-key-type", "rsa-2048"], []).Authority.JwtKeyType);
        Assert.Same(JwtKeyType.Rsa2048, Read([], new() { ["IDENTITYD_JWT_KEY_TYPE"] = "rsa-2048" }).Authority.JwtKeyType);
        Assert.Same(JwtKeyType.EcP256, Read([], []).Authority.JwtKeyType);
    }

    private string Data => _folder.At("data");

    private string Keys => _folder.At("data/keys");

    private ServerOptions Read(string[] arguments, Hashtable environment) =>
        ServerOptions.TryRead(ServerSettings.Gather(arguments, environment), Data, out var options, out var problems)
            ? options
            : throw new InvalidOperationException(string.Join("; ", problems));

    private async Task AdvanceAsync(SigningAuthority authority, TimeSpan by)
    {
        _time.Advance(by);
        await authority.RotateAsync(Cancellation);
    }

    private void AssertVerifies(SigningAuthority authority, string token, DateTimeOffset? at = null) =>
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, "someone", authority.Bundles(), at ?? _time.GetUtcNow()));

    private static async Task<string> SignAsync(SigningAuthority authority, TimeSpan? uncut = null)
    {
        var svid = Assert.IsType<JwtSigning.Issued>(
            await authority.SignJwtAsync(new JwtSigningRequest(Workload, ["someone"], "server") { Lifetime = uncut }, Cancellation)).Svid;
        if (uncut is not null) Assert.Equal(uncut, svid.ExpiresAt - svid.IssuedAt);
        return svid.Token;
    }

    private static string AlgorithmOf(string token) => Header(token).GetProperty("alg").GetString()!;

    private static string KeyIdOf(string token) => Header(token).GetProperty("kid").GetString()!;

    private static JsonElement Header(string token) => JsonElement.Parse(Base64Url.DecodeFromChars(token.AsSpan(0, token.IndexOf('.', StringComparison.Ordinal))));

    private static IReadOnlyList<string> KeyTypes(SigningAuthority authority, ControlPlaneLedger ledger) =>
        [.. JwtKeys(authority, ledger).Select(key => key.GetProperty("kty").GetString()!).Order(StringComparer.Ordinal)];

    private static IReadOnlyList<JsonElement> JwtKeys(SigningAuthority authority, ControlPlaneLedger ledger) =>
        [.. JsonElement.Parse(authority.Bundle(ledger.State).ToJson()).GetProperty("keys").EnumerateArray().Where(key => key.GetProperty("use").GetString() == "jwt-svid")];

    private IReadOnlyList<PublicKeyKind> KindsOnDisk() => [.. Directory.GetFiles(Keys).Select(file =>
    {
        using var key = new AuthorityKeyFolder(Keys, SecretFiles.Unsealed).Load(Path.GetFileNameWithoutExtension(file)["authority-".Length..], out _);
        return key!.PublicKey.Kind;
    })];

    private Task<ControlPlaneLedger> OpenLedgerAsync() =>
        ControlPlaneLedger.OpenAsync(Data, TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation);

    private Task<SigningAuthority> OpenAsync(ControlPlaneLedger ledger, JwtKeyType type, SecretFiles? secrets = null) => SigningAuthority.OpenAsync(
        ledger, new AuthorityKeyFolder(Keys, secrets ?? SecretFiles.Unsealed), TrustDomain, new AuthorityOptions { JwtKeyType = type }, _time, Cancellation);
}
