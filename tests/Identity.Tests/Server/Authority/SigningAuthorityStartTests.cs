using Identity.Server;
using Identity.Server.Authority;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Server.Authority;

/// <summary>Keys that are not those of the ledger are not signed with.</summary>
public sealed class SigningAuthorityStartTests : SigningAuthorityTest
{
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
            SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain.Parse("other.org"), Time, Cancellation));
        Assert.Contains("trust domain", refusal.Message, StringComparison.Ordinal);
    }
}
