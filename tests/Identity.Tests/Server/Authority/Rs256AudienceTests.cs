using System.Buffers.Text;
using System.Collections;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text.Json;
using Identity.Issuance;
using Identity.Server.Authority;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using AuthorityKind = Identity.Ledger.V1.Authority.Types.Kind;
using AuthorityState = Identity.Ledger.V1.Authority.Types.State;

namespace Identity.Tests.Server.Authority;

/// <summary>What <c>--jwt-rs256-audience</c> does: a second JWT authority beside the first, for those who take nothing else.</summary>
public sealed class Rs256AudienceTests : IDisposable
{
    private const string Azure = "api://AzureADTokenExchange";
    private const string Nats = "spiffe://example.org/nats";

    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");
    private static readonly SpiffeId Workload = SpiffeId.Parse("spiffe://example.org/workload");
    private static readonly TimeSpan HeadStart = TimeSpan.FromHours(25) - Backdating.Of(AuthorityLifetimes.Default.Jwt);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task There_is_no_RSA_key_as_long_as_nobody_needs_one()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger);
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority, Azure)));
        Assert.Equal([PublicKeyKind.EcP256], KeyKinds(authority, ledger));
        Assert.Equal(3, Directory.GetFiles(Keys).Length);
    }

    [Fact]
    public async Task Signs_RS256_for_a_named_audience_and_ES256_for_every_other_from_the_first_start_on()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, Azure, "https://iam.example/other");
        Assert.Equal([PublicKeyKind.EcP256, PublicKeyKind.Rsa], KeyKinds(authority, ledger));
        foreach (var audience in new[] { Azure, "https://iam.example/other" })
        {
            var rs256 = await SignAsync(authority, audience);
            Assert.Equal("RS256", AlgorithmOf(rs256));
            AssertVerifies(authority, rs256, audience);
        }
        var es256 = await SignAsync(authority, Nats);
        Assert.Equal("ES256", AlgorithmOf(es256));
        AssertVerifies(authority, es256, Nats);
    }

    [Fact]
    public async Task One_named_audience_among_others_is_enough()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, Azure);
        var token = await SignAsync(authority, Nats, Azure);
        Assert.Equal("RS256", AlgorithmOf(token));
        AssertVerifies(authority, token, Nats);
    }

    [Theory]
    [InlineData("API://AzureADTokenExchange")]
    [InlineData("api://AzureADTokenExchange/")]
    [InlineData("api://AzureADTokenExchang")]
    [InlineData("x api://AzureADTokenExchange")]
    public async Task An_audience_that_only_looks_like_a_named_one_has_ES256(string audience)
    {
        await using var ledger = await OpenLedgerAsync();
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(await OpenAsync(ledger, Azure), audience)));
    }

    [Fact]
    public async Task The_intent_names_the_authority_that_signs()
    {
        await using var ledger = await OpenLedgerAsync();
        var token = await SignAsync(await OpenAsync(ledger, Azure), Azure);
        var intent = Assert.Single(ledger.ListIssuances(10));
        Assert.Equal(KeyIdOf(token), intent.AuthorityId);
        Assert.Equal(AuthorityKind.JwtRs256, ledger.State.Authorities[intent.AuthorityId].Kind);
    }

    [Fact]
    public async Task Both_authorities_are_the_same_after_a_restart()
    {
        string rs256, es256;
        await using (var ledger = await OpenLedgerAsync())
        {
            var authority = await OpenAsync(ledger, Azure);
            (rs256, es256) = (await SignAsync(authority, Azure), await SignAsync(authority, Nats));
        }
        await using var again = await OpenLedgerAsync();
        var reopened = await OpenAsync(again, Azure);
        AssertVerifies(reopened, rs256, Azure);
        AssertVerifies(reopened, es256, Nats);
        Assert.Equal(KeyIdOf(rs256), KeyIdOf(await SignAsync(reopened, Azure)));
        Assert.Equal(KeyIdOf(es256), KeyIdOf(await SignAsync(reopened, Nats)));
        Assert.Equal(1ul, again.State.Revision);
    }

    [Fact]
    public async Task Named_at_a_later_start_its_key_is_published_at_once_and_signs_after_its_head_start()
    {
        await using var ledger = await OpenLedgerAsync();
        await OpenAsync(ledger);
        var authority = await OpenAsync(ledger, Azure);
        Assert.Equal([PublicKeyKind.EcP256, PublicKeyKind.Rsa], KeyKinds(authority, ledger));
        Assert.Equal(AuthorityState.Prepared, Rs256Records(ledger).Single().State);
        Assert.Equal(_time.GetUtcNow() + HeadStart, await authority.RotateAsync(Cancellation));

        // Another start in between goes on where this one was.
        authority = await OpenAsync(ledger, Azure);
        Assert.Single(Rs256Records(ledger));
        await AdvanceAsync(authority, HeadStart - TimeSpan.FromSeconds(1));
        var before = await SignAsync(authority, Azure);
        Assert.Equal("ES256", AlgorithmOf(before));
        await AdvanceAsync(authority, TimeSpan.FromSeconds(1));
        var after = await SignAsync(authority, Azure);
        Assert.Equal("RS256", AlgorithmOf(after));
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority, Nats)));
        AssertVerifies(authority, before, Azure);
        AssertVerifies(authority, after, Azure);
    }

    [Fact]
    public async Task Another_audience_named_later_has_RS256_at_once_because_the_key_is_known()
    {
        await using var ledger = await OpenLedgerAsync();
        await OpenAsync(ledger, Azure);
        Assert.Equal("RS256", AlgorithmOf(await SignAsync(await OpenAsync(ledger, Azure, Nats), Nats)));
    }

    [Fact]
    public async Task Each_authority_rotates_with_overlap_and_stays_of_its_kind()
    {
        await using var ledger = await OpenLedgerAsync();
        var authority = await OpenAsync(ledger, Azure);
        var first = await SignAsync(authority, Azure);

        await AdvanceAsync(authority, TimeSpan.FromDays(3.6));
        Assert.Equal([PublicKeyKind.EcP256, PublicKeyKind.EcP256, PublicKeyKind.Rsa, PublicKeyKind.Rsa], KeyKinds(authority, ledger));
        Assert.Equal(KeyIdOf(first), KeyIdOf(await SignAsync(authority, Azure)));
        var last = await SignAsync(authority, Azure);

        await AdvanceAsync(authority, TimeSpan.FromDays(2.4));
        var second = await SignAsync(authority, Azure);
        Assert.Equal("RS256", AlgorithmOf(second));
        Assert.NotEqual(KeyIdOf(first), KeyIdOf(second));
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority, Nats)));
        AssertVerifies(authority, last, Azure, _time.GetUtcNow() - TimeSpan.FromDays(2.4));
        AssertVerifies(authority, second, Azure);

        await AdvanceAsync(authority, TimeSpan.FromDays(2.1));
        Assert.DoesNotContain(authority.Bundle(ledger.State).JwtAuthorities, a => a.KeyId == KeyIdOf(first));
        Assert.False(File.Exists(KeyFile(KeyIdOf(first))));
        AssertVerifies(authority, await SignAsync(authority, Azure), Azure);
    }

    [Fact]
    public async Task Named_no_more_it_signs_no_more_and_what_it_signed_stays_verifiable_until_it_ends()
    {
        string token;
        await using (var ledger = await OpenLedgerAsync())
        {
            token = await SignAsync(await OpenAsync(ledger, Azure), Azure);
        }
        await using var again = await OpenLedgerAsync();
        var authority = await OpenAsync(again);
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority, Azure)));
        Assert.Equal(AuthorityState.Old, Rs256Records(again).Single().State);
        AssertVerifies(authority, token, Azure);

        await AdvanceAsync(authority, TimeSpan.FromDays(7.9));
        Assert.Single(Rs256Records(again));
        await AdvanceAsync(authority, TimeSpan.FromDays(0.2));
        Assert.Empty(Rs256Records(again));
        Assert.DoesNotContain(PublicKeyKind.Rsa, KeyKinds(authority, again));
        Assert.False(File.Exists(KeyFile(KeyIdOf(token))));
        Assert.Equal(3, Directory.GetFiles(Keys).Count(file => File.Exists(file) && again.State.Authorities.Values.Any(a => a.State == AuthorityState.Active && file == KeyFile(a.Id))));
    }

    [Fact]
    public async Task Named_no_more_before_it_signed_it_leaves_bundle_and_disk()
    {
        await using var ledger = await OpenLedgerAsync();
        var before = (await OpenAsync(ledger)).Bundle(ledger.State);
        var during = (await OpenAsync(ledger, Azure)).Bundle(ledger.State);
        var after = (await OpenAsync(ledger)).Bundle(ledger.State);
        Assert.True(after.HasSameAuthorities(before));
        Assert.True(before.SequenceNumber < during.SequenceNumber && during.SequenceNumber < after.SequenceNumber);
        Assert.Equal(3, Directory.GetFiles(Keys).Length);
    }

    [Fact]
    public async Task A_prepared_successor_leaves_as_well_when_it_is_named_no_more()
    {
        await using var ledger = await OpenLedgerAsync();
        await AdvanceAsync(await OpenAsync(ledger, Azure), TimeSpan.FromDays(3.6));
        Assert.Equal(2, Rs256Records(ledger).Count);
        await OpenAsync(ledger);
        Assert.Equal(AuthorityState.Old, Rs256Records(ledger).Single().State);
    }

    [Fact]
    public async Task Named_again_it_begins_with_a_new_key_and_a_head_start()
    {
        await using var ledger = await OpenLedgerAsync();
        var first = await SignAsync(await OpenAsync(ledger, Azure), Azure);
        await OpenAsync(ledger);
        var authority = await OpenAsync(ledger, Azure);
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority, Azure)));
        await AdvanceAsync(authority, HeadStart);
        var second = await SignAsync(authority, Azure);
        Assert.Equal("RS256", AlgorithmOf(second));
        Assert.NotEqual(KeyIdOf(first), KeyIdOf(second));
    }

    [Fact]
    public async Task After_a_sleep_past_every_end_a_named_audience_has_RS256_at_once()
    {
        await using var ledger = await OpenLedgerAsync();
        await OpenAsync(ledger, Azure);
        _time.Advance(TimeSpan.FromDays(30));
        var authority = await OpenAsync(ledger, Azure);
        var token = await SignAsync(authority, Azure);
        Assert.Equal("RS256", AlgorithmOf(token));
        AssertVerifies(authority, token, Azure);
        Assert.Equal([PublicKeyKind.EcP256, PublicKeyKind.Rsa], KeyKinds(authority, ledger));
    }

    [Fact]
    public async Task The_default_type_may_change_and_named_audiences_never_notice()
    {
        await using var ledger = await OpenLedgerAsync();
        var before = await SignAsync(await OpenAsync(ledger, Azure), Azure);
        var options = new AuthorityOptions { JwtKeyType = JwtKeyType.Rsa2048, Rs256Audiences = Set(Azure) };
        var authority = await OpenAsync(ledger, options);
        Assert.Equal(KeyIdOf(before), KeyIdOf(await SignAsync(authority, Azure)));
        Assert.Equal("ES256", AlgorithmOf(await SignAsync(authority, Nats)));
        await AdvanceAsync(authority, HeadStart);
        Assert.Equal("RS256", AlgorithmOf(await SignAsync(authority, Nats)));
        Assert.Equal(KeyIdOf(before), KeyIdOf(await SignAsync(authority, Azure)));
    }

    [Fact]
    public async Task Its_keys_are_sealed_at_rest()
    {
        Assert.True(KeyEncryptionKey.TryParse(Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), out var sealing));
        await using var ledger = await OpenLedgerAsync();
        var options = new AuthorityOptions { Rs256Audiences = Set(Azure) };
        var token = await SignAsync(await OpenAsync(ledger, options, new SecretFiles(sealing)), Azure);
        Assert.True(KeyEncryptionKey.IsSealed(await File.ReadAllBytesAsync(KeyFile(KeyIdOf(token)), Cancellation)));
        Assert.Equal(KeyIdOf(token), KeyIdOf(await SignAsync(await OpenAsync(ledger, options, new SecretFiles(sealing)), Azure)));
    }

    [Fact]
    public void Is_read_as_flags_a_variable_or_a_list_in_the_file()
    {
        Assert.Equal([Azure, Nats], Read(["--jwt-rs256-audience", Azure, "--jwt-rs256-audience", Nats], []).Order(StringComparer.Ordinal));
        Assert.Equal([Azure, Nats], Read([], new() { ["IDENTITYD_JWT_RS256_AUDIENCE"] = $"{Azure},{Nats}" }).Order(StringComparer.Ordinal));
        var file = _folder.At("config.json");
        File.WriteAllText(file, $$"""{"jwt-rs256-audience":["{{Azure}}","{{Nats}}"]}""");
        Assert.Equal([Azure, Nats], Read(["--config", file], []).Order(StringComparer.Ordinal));
        Assert.Empty(Read([], []));
    }

    [Theory]
    [InlineData(" api://x")]
    [InlineData("api://x ")]
    [InlineData("a\nb")]
    public void What_is_no_audience_is_refused(string audience)
    {
        var settings = ServerSettings.Gather(["--jwt-rs256-audience", audience], new Hashtable());
        Assert.False(ServerOptions.TryRead(settings, Data, out _, out var problems));
        Assert.StartsWith("jwt-rs256-audience: \"", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_one_that_no_token_can_carry_and_more_than_anyone_means()
    {
        Assert.False(TryRead([new string('x', 1025)], out var problems));
        Assert.Contains("is not an audience; give 1 to 1024", Assert.Single(problems), StringComparison.Ordinal);
        Assert.False(TryRead(["half\ud800"], out problems));
        Assert.Contains("\"half?\" is not an audience", Assert.Single(problems), StringComparison.Ordinal);
        Assert.False(TryRead([.. Enumerable.Range(0, 101).Select(i => $"a{i}")], out problems));
        Assert.Contains("expected at most 100", Assert.Single(problems), StringComparison.Ordinal);
    }

    private string Data => _folder.At("data");

    private string Keys => _folder.At("data/keys");

    private string KeyFile(string id) => Path.Combine(Keys, $"authority-{id}.pem");

    private bool TryRead(string[] audiences, out IReadOnlyList<string> problems) => ServerOptions.TryRead(
        ServerSettings.Gather([.. audiences.SelectMany(audience => new[] { "--jwt-rs256-audience", audience })], new Hashtable()), Data, out _, out problems);

    private FrozenSet<string> Read(string[] arguments, Hashtable environment) =>
        ServerOptions.TryRead(ServerSettings.Gather(arguments, environment), Data, out var options, out var problems)
            ? options.Authority.Rs256Audiences
            : throw new InvalidOperationException(string.Join("; ", problems));

    private static FrozenSet<string> Set(params string[] audiences) => audiences.ToFrozenSet(StringComparer.Ordinal);

    private async Task AdvanceAsync(SigningAuthority authority, TimeSpan by)
    {
        _time.Advance(by);
        await authority.RotateAsync(Cancellation);
    }

    private void AssertVerifies(SigningAuthority authority, string token, string audience, DateTimeOffset? at = null) =>
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, audience, authority.Bundles(), at ?? _time.GetUtcNow()));

    private static async Task<string> SignAsync(SigningAuthority authority, params string[] audience) =>
        Assert.IsType<JwtSigning.Issued>(await authority.SignJwtAsync(new JwtSigningRequest(Workload, audience, "server"), Cancellation)).Svid.Token;

    private static string AlgorithmOf(string token) => Header(token).GetProperty("alg").GetString()!;

    private static string KeyIdOf(string token) => Header(token).GetProperty("kid").GetString()!;

    private static JsonElement Header(string token) => JsonElement.Parse(Base64Url.DecodeFromChars(token.AsSpan(0, token.IndexOf('.', StringComparison.Ordinal))));

    private static IReadOnlyList<PublicKeyKind> KeyKinds(SigningAuthority authority, ControlPlaneLedger ledger) =>
        [.. authority.Bundle(ledger.State).JwtAuthorities.Select(key => key.Kind).Order()];

    private static IReadOnlyList<global::Identity.Ledger.V1.Authority> Rs256Records(ControlPlaneLedger ledger) =>
        [.. ledger.State.Authorities.Values.Where(a => a.Kind == AuthorityKind.JwtRs256)];

    private Task<ControlPlaneLedger> OpenLedgerAsync() =>
        ControlPlaneLedger.OpenAsync(Data, TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation);

    private Task<SigningAuthority> OpenAsync(ControlPlaneLedger ledger, params string[] audiences) =>
        OpenAsync(ledger, new AuthorityOptions { Rs256Audiences = Set(audiences) });

    private Task<SigningAuthority> OpenAsync(ControlPlaneLedger ledger, AuthorityOptions options, SecretFiles? secrets = null) =>
        SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, secrets ?? SecretFiles.Unsealed), TrustDomain, options, _time, Cancellation);
}
