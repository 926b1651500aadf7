using System.Collections;
using System.Security.Cryptography;
using System.Text;
using Identity.Issuance;
using Identity.Server;
using Identity.Server.Authority;
using Identity.Server.Endpoints;
using Identity.Server.NatsAuthCallout;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Identity.Tests.Server.Authority;

/// <summary>What a server does with its secrets that was given no key encryption key: it seals them all the same.</summary>
public sealed class OwnKeyEncryptionKeyTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly TemporaryFolder _folder = new();
    private readonly FakeLogger _log = new();

    public OwnKeyEncryptionKeyTests() => Directory.CreateDirectory(Data, OwnerOnly | UnixFileMode.UserExecute);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_default_start_writes_no_key_and_no_seed_in_the_clear_and_the_next_one_reads_them()
    {
        byte[] bundle;
        await using (var server = await StartAsync())
        {
            bundle = server.Authority().Bundle(server.Ledger.State).ToJson();
        }
        var secrets = Directory.GetFiles(Path.Combine(Data, "keys")).Concat(Directory.GetFiles(Path.Combine(Data, "nats"), "*.seed")).ToList();
        Assert.Equal(3 + 3, secrets.Count);
        Assert.All(secrets, file => Assert.True(KeyEncryptionKey.IsSealed(File.ReadAllBytes(file)), file));
        Assert.All(Directory.GetFiles(Data, "*", SearchOption.AllDirectories), file => Assert.False(HoldsSecretInTheClear(file), file));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Own));

        await using var again = await StartAsync();
        Assert.Equal(bundle, again.Authority().Bundle(again.Ledger.State).ToJson());
    }

    [Fact]
    public void Is_made_once_and_every_start_warns_that_it_lies_beside_what_it_guards()
    {
        var id = MakeKey(Complete(null));
        var text = File.ReadAllText(Own);
        Assert.True(KeyEncryptionKey.TryParse(text, out _));
        Assert.NotNull(Load(Complete(null), id));
        Assert.Equal(text, File.ReadAllText(Own));
        var warnings = _log.Collector.GetSnapshot();
        Assert.Equal(2, warnings.Count);
        Assert.All(warnings, warning => Assert.Equal(LogLevel.Warning, warning.Level));
        Assert.All(warnings, warning => Assert.Contains($"beside them, in {Own}", warning.Message, StringComparison.Ordinal));
        Assert.All(warnings, warning => Assert.DoesNotContain(text.Trim(), warning.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Seals_what_an_older_version_left_in_the_clear()
    {
        var id = MakeKey(SecretFiles.Unsealed);
        using (NatsCalloutKeys.LoadOrCreate(Path.Combine(Data, "nats"), SecretFiles.Unsealed))
        {
        }
        var secrets = Complete(null);
        Assert.NotNull(Load(secrets, id));
        using (NatsCalloutKeys.LoadOrCreate(Path.Combine(Data, "nats"), secrets))
        {
        }
        Assert.All(Directory.GetFiles(Data, "*", SearchOption.AllDirectories), file => Assert.False(HoldsSecretInTheClear(file), file));
    }

    [Fact]
    public void Moved_out_and_named_it_opens_the_same_files_and_nothing_warns()
    {
        var id = MakeKey(Complete(null));
        var sealedBefore = File.ReadAllText(KeyFile(id));
        _log.Collector.Clear();
        var elsewhere = _folder.At("kek.txt");
        File.Move(Own, elsewhere);
        Assert.NotNull(Load(Complete(Given(elsewhere)), id));
        Assert.Equal(sealedBefore, File.ReadAllText(KeyFile(id)));
        Assert.False(File.Exists(Own));
        Assert.Empty(_log.Collector.GetSnapshot());
    }

    [Fact]
    public void Named_where_it_lies_or_copied_it_is_still_beside_what_it_guards()
    {
        MakeKey(Complete(null));
        _log.Collector.Clear();
        Complete(Given(Own));
        Assert.Contains("beside them", Assert.Single(_log.Collector.GetSnapshot()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_key_that_is_given_replaces_it_and_then_does_without_it()
    {
        var id = MakeKey(Complete(null));
        _log.Collector.Clear();
        var other = NewKeyFile();
        Assert.NotNull(Load(Complete(Given(other)), id));
        Assert.Contains("opens backups only", Assert.Single(_log.Collector.GetSnapshot()).Message, StringComparison.Ordinal);
        File.Delete(Own);
        Assert.NotNull(Load(Complete(Given(other)), id));
    }

    [Fact]
    public void Taken_away_the_server_does_not_start_and_makes_no_other()
    {
        var id = MakeKey(Complete(null));
        var before = File.ReadAllText(KeyFile(id));
        File.Delete(Own);
        var refusal = Assert.Throws<CannotStartException>(() => Complete(null)).Message;
        Assert.StartsWith(KeyFile(id), refusal, StringComparison.Ordinal);
        Assert.Contains("--key-encryption-key-file", refusal, StringComparison.Ordinal);
        Assert.Contains($"put it back at {Own}", refusal, StringComparison.Ordinal);
        Assert.False(File.Exists(Own));
        Assert.Equal(before, File.ReadAllText(KeyFile(id)));
    }

    [Fact]
    public void A_key_that_was_given_and_is_given_no_more_is_not_replaced_by_a_new_one()
    {
        NatsCalloutKeys.LoadOrCreate(Path.Combine(Data, "nats"), Complete(Given(NewKeyFile()))).Dispose();
        Assert.Contains("none was given", Assert.Throws<CannotStartException>(() => Complete(null)).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Own));
    }

    [Theory]
    [InlineData("")]
    [InlineData("correct horse battery staple")]
    [InlineData("AAAA")]
    public void A_damaged_one_is_refused_and_neither_repeated_nor_replaced(string text)
    {
        MakeKey(Complete(null));
        File.WriteAllText(Own, text);
        var refusal = Assert.Throws<CannotStartException>(() => Complete(null)).Message;
        Assert.StartsWith($"{Own} is not the key it was", refusal, StringComparison.Ordinal);
        if (text.Length > 0) Assert.DoesNotContain(text, refusal, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(Own));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void One_that_others_may_open_is_refused(UnixFileMode open)
    {
        MakeKey(Complete(null));
        File.SetUnixFileMode(Own, OwnerOnly | open);
        Assert.Contains($"chmod 600 {Own}", Assert.Throws<CannotStartException>(() => Complete(null)).Message, StringComparison.Ordinal);
    }

    private string Data => _folder.At("data");

    private string Own => Path.Combine(Data, "key-encryption-key");

    private string KeyFile(string id) => Path.Combine(Data, "keys", $"authority-{id}.pem");

    private SecretFiles Complete(SecretFiles? given) => OwnKeyEncryptionKey.Complete(Data, given, _log);

    private string MakeKey(SecretFiles secrets)
    {
        var id = "";
        using var key = new AuthorityKeyFolder(Path.Combine(Data, "keys"), secrets).Create(SigningAlgorithm.Es256, made => id = Convert.ToHexStringLower(made.PublicKey.ComputeSha256()));
        return id;
    }

    private IAuthorityKey? Load(SecretFiles secrets, string id) => new AuthorityKeyFolder(Path.Combine(Data, "keys"), secrets).Load(id, out _);

    private static SecretFiles? Given(string file) => KeyEncryptionSettings.Read(ServerSettings.Gather(["--key-encryption-key-file", file], new Hashtable()), new Hashtable());

    private string NewKeyFile()
    {
        var file = _folder.At("other.txt");
        File.WriteAllText(file, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(file, OwnerOnly);
        return file;
    }

    private static bool HoldsSecretInTheClear(string file)
    {
        var text = Encoding.Latin1.GetString(File.ReadAllBytes(file));
        return text.Contains("PRIVATE KEY", StringComparison.Ordinal) || System.Text.RegularExpressions.Regex.IsMatch(text, "\\bS[UAX][A-Z2-7]{56}\\b");
    }

    private Task<RunningServer> StartAsync()
    {
        var settings = ServerSettings.Gather(["--listen", "127.0.0.1:0", "--istio-listen", "127.0.0.1:0", "--nats-url", "tls://127.0.0.1:1"], new Hashtable());
        return ServerOptions.TryRead(settings, Data, out var options, out var problems)
            ? Identity.Server.Program.StartAsync(options, TimeProvider.System)
            : throw new InvalidOperationException(string.Join("; ", problems));
    }
}

file static class ServerParts
{
    public static SigningAuthority Authority(this RunningServer server) =>
        (SigningAuthority)server.Services.GetService(typeof(SigningAuthority))!;
}
