using System.Collections;
using System.Security.Cryptography;
using Identity.Issuance;
using Identity.Server;
using Identity.Server.Authority;
using Identity.Server.Endpoints;
using Identity.Server.NatsAuthCallout;
using Xunit;

namespace Identity.Tests.Server.Authority;

/// <summary>What an operator can do with the key encryption key, and what the server says when it is not the right one.</summary>
public sealed class KeysAtRestTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly TemporaryFolder _folder = new();
    private readonly string _key = NewKey();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Keys_made_with_it_are_sealed_and_load_with_it()
    {
        var id = MakeKey(Given(_key));
        Assert.All(Files(), file => Assert.True(KeyEncryptionKey.IsSealed(File.ReadAllBytes(file))));
        Assert.All(Files(), file => Assert.Equal(OwnerOnly, File.GetUnixFileMode(file)));
        Assert.NotNull(Load(Given(_key), id));
    }

    [Fact]
    public void A_folder_in_the_clear_works_without_it_and_is_sealed_when_it_is_first_given()
    {
        var id = MakeKey(SecretFiles.Unsealed);
        Assert.Contains("BEGIN PRIVATE KEY", File.ReadAllText(Files().Single()), StringComparison.Ordinal);
        Assert.NotNull(Load(SecretFiles.Unsealed, id));

        Assert.NotNull(Load(Given(_key), id));
        Assert.DoesNotContain("BEGIN PRIVATE KEY", File.ReadAllText(Files().Single()), StringComparison.Ordinal);
    }

    [Fact]
    public void Cannot_start_when_it_is_taken_away()
    {
        MakeKey(Given(_key));
        var refusal = Refusal(SecretFiles.Unsealed);
        Assert.Contains("--key-encryption-key-file, IDENTITYD_KEY_ENCRYPTION_KEY or the systemd credential identityd-key-encryption-key", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void Cannot_start_with_another_one_and_changes_nothing()
    {
        MakeKey(Given(_key));
        MakeKey(Given(_key));
        var before = Files().Select(File.ReadAllText).ToList();
        var other = NewKey();
        var refusal = Refusal(Given(other));
        Assert.Contains("is encrypted with the key encryption key", refusal, StringComparison.Ordinal);
        Assert.Contains("--previous-key-encryption-key-file", refusal, StringComparison.Ordinal);
        Assert.DoesNotContain(other, refusal, StringComparison.Ordinal);
        Assert.Equal(before, Files().Select(File.ReadAllText));
    }

    [Fact]
    public void Cannot_start_when_one_of_many_is_damaged_and_seals_none_of_the_others()
    {
        MakeKey(SecretFiles.Unsealed);
        var foreign = Path.Combine(Folder, "authority-zz.pem");
        File.WriteAllBytes(foreign, Parse(NewKey()).Seal("authority-zz.pem", "x"u8));
        File.SetUnixFileMode(foreign, OwnerOnly);
        Refusal(Given(_key));
        Assert.Single(Files(), file => !KeyEncryptionKey.IsSealed(File.ReadAllBytes(file)));
    }

    [Fact]
    public void A_sealed_file_under_another_name_is_refused()
    {
        var first = MakeKey(Given(_key));
        var second = MakeKey(Given(_key));
        File.Copy(Path.Combine(Folder, $"authority-{first}.pem"), Path.Combine(Folder, $"authority-{second}.pem"), overwrite: true);
        Assert.Contains("damaged, changed or renamed", Refusal(Given(_key)), StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_replaced_by_giving_the_new_one_and_the_previous_one_for_one_start()
    {
        var id = MakeKey(Given(_key));
        var next = NewKey();
        Assert.NotNull(Load(Given(next, previous: _key), id));
        Assert.NotNull(Load(Given(next), id));
        Refusal(Given(_key));
    }

    [Fact]
    public void Removes_what_a_crash_left_beside_a_key()
    {
        var id = MakeKey(Given(_key));
        var leftover = Path.Combine(Folder, $"authority-{id}.pem.new");
        File.WriteAllText(leftover, "half a secret");
        Load(Given(_key), id);
        Assert.False(File.Exists(leftover));
    }

    [Fact]
    public void Seals_the_seeds_of_the_callout_alike()
    {
        var folder = _folder.At("nats");
        using var first = NatsCalloutKeys.LoadOrCreate(folder, SecretFiles.Unsealed);
        using var second = NatsCalloutKeys.LoadOrCreate(folder, Given(_key));
        using var third = NatsCalloutKeys.LoadOrCreate(folder, Given(_key));
        Assert.Equal(first.Issuer.GetPublicKey(), third.Issuer.GetPublicKey());
        Assert.Equal(3, Directory.GetFiles(folder).Length);
        Assert.All(Directory.GetFiles(folder), file => Assert.True(KeyEncryptionKey.IsSealed(File.ReadAllBytes(file))));
        Assert.Contains("none was given", Assert.Throws<CannotStartException>(() => NatsCalloutKeys.LoadOrCreate(folder, SecretFiles.Unsealed)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Is_taken_from_a_file_a_variable_or_a_systemd_credential()
    {
        Assert.Null(Read([], []));
        Assert.True(Read(["--key-encryption-key-file", KeyFile(_key)], [])!.IsSealedWith(Parse(_key)));
        Assert.True(Read([], new() { ["IDENTITYD_KEY_ENCRYPTION_KEY"] = _key })!.IsSealedWith(Parse(_key)));
        Assert.True(Read([], new() { ["CREDENTIALS_DIRECTORY"] = CredentialsFolder() })!.IsSealedWith(Parse(_key)));
    }

    [Fact]
    public void Is_refused_when_it_is_given_twice_even_if_it_is_the_same()
    {
        string[] file = ["--key-encryption-key-file", KeyFile(_key)];
        AssertRefused("leave one", file, new() { ["IDENTITYD_KEY_ENCRYPTION_KEY"] = _key });
        AssertRefused("leave one", file, new() { ["CREDENTIALS_DIRECTORY"] = CredentialsFolder() });
        AssertRefused("leave one", [], new() { ["IDENTITYD_KEY_ENCRYPTION_KEY"] = _key, ["CREDENTIALS_DIRECTORY"] = CredentialsFolder() });
    }

    [Fact]
    public void Is_refused_when_it_is_no_key_and_never_repeated()
    {
        const string password = "correct horse battery staple";
        Assert.DoesNotContain(password, AssertRefused("openssl rand -base64 32", [], new() { ["IDENTITYD_KEY_ENCRYPTION_KEY"] = password }), StringComparison.Ordinal);
        Assert.DoesNotContain(password, AssertRefused("openssl rand -base64 32", ["--key-encryption-key-file", KeyFile(password)], []), StringComparison.Ordinal);
        AssertRefused("openssl rand -base64 32", ["--key-encryption-key-file", KeyFile(new string('A', 2000))], []);
    }

    [Fact]
    public void Its_file_must_exist_and_be_closed_to_others()
    {
        AssertRefused("cannot be read", ["--key-encryption-key-file", _folder.At("nowhere")], []);
        var open = KeyFile(_key);
        File.SetUnixFileMode(open, OwnerOnly | UnixFileMode.OtherRead);
        AssertRefused("chmod 600", ["--key-encryption-key-file", open], []);
    }

    [Fact]
    public void A_previous_one_alone_is_refused() =>
        AssertRefused("none that replaces it", ["--previous-key-encryption-key-file", KeyFile(_key)], []);

    [Fact]
    public void Is_never_taken_from_the_command_line_or_the_configuration_file()
    {
        Assert.Contains("is not a setting", Assert.Throws<CannotStartException>(() => ServerSettings.Gather(["--key-encryption-key", _key], new Hashtable())).Message, StringComparison.Ordinal);
        var file = _folder.At("config.json");
        File.WriteAllText(file, $"{{\"key-encryption-key\":\"{_key}\"}}");
        Assert.Contains("is not a setting", Assert.Throws<CannotStartException>(() => ServerSettings.Gather(["--config", file], new Hashtable())).Message, StringComparison.Ordinal);
    }

    private string Folder => _folder.At("keys");

    private string[] Files() => Directory.GetFiles(Folder);

    private string MakeKey(SecretFiles secrets)
    {
        var id = "";
        using var key = new AuthorityKeyFolder(Folder, secrets).Create(SigningAlgorithm.Es256, made => id = Convert.ToHexStringLower(made.PublicKey.ComputeSha256()));
        return id;
    }

    private IAuthorityKey? Load(SecretFiles secrets, string id) => new AuthorityKeyFolder(Folder, secrets).Load(id, out _);

    private string Refusal(SecretFiles secrets) => Assert.Throws<CannotStartException>(() => new AuthorityKeyFolder(Folder, secrets)).Message;

    private string KeyFile(string text)
    {
        var file = _folder.At($"kek-{Guid.NewGuid():N}");
        File.WriteAllText(file, text + "\n");
        File.SetUnixFileMode(file, OwnerOnly);
        return file;
    }

    private string CredentialsFolder()
    {
        var folder = Directory.CreateDirectory(_folder.At($"credentials-{Guid.NewGuid():N}")).FullName;
        File.WriteAllText(Path.Combine(folder, "identityd-key-encryption-key"), _key + "\n");
        return folder;
    }

    private static string AssertRefused(string reason, string[] arguments, Hashtable environment)
    {
        var refusal = Assert.Throws<CannotStartException>(() => Read(arguments, environment));
        Assert.Equal(2, refusal.ExitCode);
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        return refusal.Message;
    }

    private static SecretFiles? Read(string[] arguments, Hashtable environment) =>
        KeyEncryptionSettings.Read(ServerSettings.Gather(arguments, environment), environment);

    private static SecretFiles Given(string key, string? previous = null) => new(Parse(key), previous is null ? null : Parse(previous));

    private static KeyEncryptionKey Parse(string key) => KeyEncryptionKey.TryParse(key, out var parsed) ? parsed : throw new InvalidOperationException();

    private static string NewKey() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
}
