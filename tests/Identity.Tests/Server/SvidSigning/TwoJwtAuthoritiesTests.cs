using System.Buffers.Text;
using System.Text.Json;
using Identity.Cli;
using Identity.Server.Authority;
using Identity.Tests.Cli;
using Identity.V1;
using Spiffe.Net;
using Spire.Api.Server.Bundle.V1;
using Spire.Api.Server.Entry.V1;
using Spire.Api.Server.Svid.V1;
using Spire.Api.Types;
using Bundle = Spire.Api.Server.Bundle.V1.Bundle;
using EntryClient = Spire.Api.Server.Entry.V1.Entry.EntryClient;
using EntryMessage = Spire.Api.Types.Entry;

namespace Identity.Tests.Server.SvidSigning;

/// <summary>ES256 and RS256 beside each other, as agents and verifiers of a whole server see them.</summary>
public sealed class TwoJwtAuthoritiesTests : IAsyncLifetime
{
    private const string Azure = "api://AzureADTokenExchange";
    private const string Service = "https://service.example";

    private RegistryServer _server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _server = await RegistryServer.StartAsync(("jwt-rs256-audience:0", Azure));

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Tokens_for_the_named_audience_are_RS256_all_others_ES256_and_the_bundle_verifies_both_across_restart_and_rotation()
    {
        var agent = await _server.AttestAsync();
        var entry = await CreateEntryAsync();
        var (rs256, es256) = (await NewAsync(agent, entry, Azure), await NewAsync(agent, entry, Service));
        Assert.Equal(("RS256", "ES256"), (AlgorithmOf(rs256), AlgorithmOf(es256)));
        await AssertVerifiesAsync(rs256, Azure);
        await AssertVerifiesAsync(es256, Service);

        await _server.RestartAsync();
        await AssertVerifiesAsync(rs256, Azure);
        await AssertVerifiesAsync(es256, Service);
        Assert.Equal(KeyIdOf(rs256), KeyIdOf(await MintAsync(Azure)));
        Assert.Equal(KeyIdOf(es256), KeyIdOf(await MintAsync(Service)));

        // Half of seven days: successors are published. Five sixths: they sign.
        await PassAsync(TimeSpan.FromDays(3.6));
        Assert.Equal(4, (await BundleAsync()).JwtAuthorities.Count);
        var (lastRs256, lastEs256) = (await MintAsync(Azure), await MintAsync(Service));
        await PassAsync(TimeSpan.FromDays(2.4));
        var (nextRs256, nextEs256) = (await MintAsync(Azure), await MintAsync(Service));
        Assert.Equal(("RS256", "ES256"), (AlgorithmOf(nextRs256), AlgorithmOf(nextEs256)));
        Assert.NotEqual(KeyIdOf(rs256), KeyIdOf(nextRs256));
        Assert.NotEqual(KeyIdOf(es256), KeyIdOf(nextEs256));
        await AssertVerifiesAsync(nextRs256, Azure);
        await AssertVerifiesAsync(nextEs256, Service);
        await AssertVerifiesAsync(lastRs256, Azure, TimeSpan.FromDays(2.4));
        await AssertVerifiesAsync(lastEs256, Service, TimeSpan.FromDays(2.4));
    }

    [Fact]
    public async Task The_setting_taken_away_the_second_authority_retires_and_its_tokens_stay_verifiable()
    {
        var rs256 = await MintAsync(Azure);
        await _server.RestartAsync(AuthorityOptions.Default);
        Assert.Equal("ES256", AlgorithmOf(await MintAsync(Azure)));
        await AssertVerifiesAsync(rs256, Azure);
        await PassAsync(TimeSpan.FromDays(8.1));
        Assert.DoesNotContain((await BundleAsync()).JwtAuthorities, key => key.KeyId == KeyIdOf(rs256));
    }

    [Fact]
    public async Task Status_shows_both_authorities_and_the_second_only_when_there_is_one()
    {
        var status = await new Control.ControlClient(_server.Admin).GetStatusAsync(new GetStatusRequest(), cancellationToken: Cancellation);
        Assert.True(status.JwtAuthorityExpiresAt.ToDateTimeOffset() > _server.Time.GetUtcNow());
        Assert.True(status.JwtRs256AuthorityExpiresAt.ToDateTimeOffset() > _server.Time.GetUtcNow());
        var (code, shown, _) = await CliRun.RunAsync(_server, "status");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("JWT authority      until", shown, StringComparison.Ordinal);
        Assert.Contains("RS256 authority    until", shown, StringComparison.Ordinal);

        await _server.RestartAsync(AuthorityOptions.Default);
        (_, shown, _) = await CliRun.RunAsync(_server, "status");
        Assert.DoesNotContain("RS256", shown, StringComparison.Ordinal);
    }

    private async Task<string> CreateEntryAsync()
    {
        var entry = new EntryMessage
        {
            SpiffeId = new SPIFFEID { TrustDomain = "example.org", Path = "/workload" },
            ParentId = new SPIFFEID { TrustDomain = "example.org", Path = "/nodes/local" },
            Selectors = { new Selector { Type = "unix", Value = "uid:1000" } },
        };
        var created = await new EntryClient(_server.Admin).BatchCreateEntryAsync(new BatchCreateEntryRequest { Entries = { entry } }, cancellationToken: Cancellation);
        return created.Results[0].Entry.Id;
    }

    private static async Task<string> NewAsync(TestAgent agent, string entry, string audience) =>
        (await new SVID.SVIDClient(agent.Invoker).NewJWTSVIDAsync(new NewJWTSVIDRequest { EntryId = entry, Audience = { audience } }, cancellationToken: Cancellation)).Svid.Token;

    private async Task<string> MintAsync(string audience) => (await new SVID.SVIDClient(_server.Admin).MintJWTSVIDAsync(
        new MintJWTSVIDRequest { Id = new SPIFFEID { TrustDomain = "example.org", Path = "/workload" }, Audience = { audience } }, cancellationToken: Cancellation)).Svid.Token;

    private async Task PassAsync(TimeSpan time)
    {
        _server.Time.Shift += time;
        await _server.Service<SigningAuthority>().RotateAsync(Cancellation);
    }

    private async Task<Spire.Api.Types.Bundle> BundleAsync() =>
        await new Bundle.BundleClient(_server.Admin).GetBundleAsync(new GetBundleRequest(), cancellationToken: Cancellation);

    // With what the server publishes and nothing else.
    private async Task AssertVerifiesAsync(string token, string audience, TimeSpan ago = default)
    {
        var published = await BundleAsync();
        var keys = published.JwtAuthorities.Select(key =>
            JwtAuthority.TryCreate(key.KeyId, key.PublicKey.Memory, out var authority, out var flaw) ? authority : throw new InvalidOperationException(flaw)).ToList();
        Assert.True(TrustBundle.TryCreate(TrustDomain.Parse("example.org"), [], keys, null, null, out var bundle, out _));
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, audience, new TrustBundleSet(bundle), _server.Time.GetUtcNow() - ago));
    }

    private static string AlgorithmOf(string token) => Header(token).GetProperty("alg").GetString()!;

    private static string KeyIdOf(string token) => Header(token).GetProperty("kid").GetString()!;

    private static JsonElement Header(string token) => JsonElement.Parse(Base64Url.DecodeFromChars(token.AsSpan(0, token.IndexOf('.', StringComparison.Ordinal))));
}
