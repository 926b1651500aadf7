using Identity.Cli;
using Identity.Tests.Server;
using Spiffe.Net;

namespace Identity.Tests.Cli;

/// <summary>The command as it is shipped, against a server on its admin socket.</summary>
public sealed class BundleCommandTests : IAsyncLifetime
{
    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task Takes_the_bundle_another_server_shows_and_shows_the_same()
    {
        await using var other = await RegistryServer.StartAsync(("trust-domain", "other.test"));
        var (_, shown, _) = await CliRun.RunAsync(other, "bundle", "show", "--format", "spiffe");
        var file = _cli.Write("bundle.json", shown);

        Assert.Equal((ExitCode.Ok, "Bundle other.test set\n", ""), await _cli.RunAsync("bundle", "set", "other.test", file));
        var (_, again, _) = await _cli.RunAsync("bundle", "show", "other.test", "--format", "spiffe");
        var (_, list, _) = await _cli.RunAsync("bundle", "list");

        Assert.True(TrustBundle.TryParse(TrustDomain.Parse("other.test"), System.Text.Encoding.UTF8.GetBytes(shown), out var theirs, out _));
        Assert.True(TrustBundle.TryParse(TrustDomain.Parse("other.test"), System.Text.Encoding.UTF8.GetBytes(again), out var ours, out _));
        Assert.True(ours.HasSameAuthorities(theirs));
        Assert.Equal(theirs.SequenceNumber, ours.SequenceNumber);
        Assert.NotEmpty(theirs.JwtAuthorities);
        Assert.Contains("other.test", list, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Takes_X509_authorities_as_PEM()
    {
        await using var other = await RegistryServer.StartAsync(("trust-domain", "other.test"));
        var (_, pem, _) = await CliRun.RunAsync(other, "bundle", "show");

        var (code, _, _) = await _cli.RunAsync("bundle", "set", "other.test", _cli.Write("bundle.pem", pem));

        Assert.Equal(ExitCode.Ok, code);
        var stored = _cli.Server.Ledger.State.FederatedBundles["other.test"];
        Assert.Equal((1, 0), (stored.X509Authorities.Count, stored.JwtAuthorities.Count));
    }

    [Theory]
    [InlineData(ExitCode.Usage, "bundle", "set", "other.test", "/no/such/file")]
    [InlineData(ExitCode.Usage, "bundle", "set", "other.test", "/etc/hostname")]
    [InlineData(ExitCode.Usage, "bundle", "set", "Other.test", "/etc/hostname")]
    [InlineData(ExitCode.Usage, "bundle", "show", "example.org")]
    [InlineData(ExitCode.NotFound, "bundle", "show", "nobody.test")]
    [InlineData(ExitCode.NotFound, "bundle", "delete", "nobody.test")]
    [InlineData(ExitCode.Usage, "bundle", "delete", "nobody.test", "--entries", "forget")]
    [InlineData(ExitCode.Usage, "bundle", "crl", "set", "/etc/hostname")]
    public async Task Says_what_is_wrong_and_changes_nothing(int expected, params string[] arguments)
    {
        var (code, _, error) = await _cli.RunAsync(arguments);

        Assert.Equal(expected, code);
        Assert.NotEmpty(error);
        Assert.Empty(_cli.Server.Ledger.State.FederatedBundles);
    }

    [Fact]
    public async Task Deletes_a_bundle()
    {
        var (_, pem, _) = await _cli.RunAsync("bundle", "show");
        await _cli.RunAsync("bundle", "set", "other.test", _cli.Write("bundle.pem", pem));

        Assert.Equal((ExitCode.Ok, "Bundle other.test deleted\n", ""), await _cli.RunAsync("bundle", "delete", "other.test"));

        Assert.Empty(_cli.Server.Ledger.State.FederatedBundles);
        Assert.Equal("no federated bundles\n", (await _cli.RunAsync("bundle", "list")).Output);
        Assert.Equal("no revocation lists\n", (await _cli.RunAsync("bundle", "crl", "list")).Output);
    }
}
