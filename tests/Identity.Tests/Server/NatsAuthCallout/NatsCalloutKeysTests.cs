using Identity.Server;
using Identity.Server.Authority;
using Identity.Server.NatsAuthCallout;
using NATS.NKeys;

namespace Identity.Tests.Server.NatsAuthCallout;

public sealed class NatsCalloutKeysTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Files => ["callout-user.seed", "issuer-account.seed", "xkey.seed"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_second_start_keeps_what_the_first_one_made()
    {
        using var first = NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed);
        using var second = NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed);
        Assert.Equal(Publics(first), Publics(second));
        Assert.Equal([NKeyPrefix.User, NKeyPrefix.Account], [second.User.Prefix, second.Issuer.Prefix]);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Makes_only_the_key_that_is_missing(string file)
    {
        using var first = NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed);
        File.Delete(_folder.At($"nats/{file}"));
        using var second = NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed);
        Assert.Equal(2, Publics(first).Intersect(Publics(second)).Count());
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Keeps_its_secrets_from_other_users(string file)
    {
        NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed).Dispose();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.At($"nats/{file}")));
    }

    [Theory]
    [InlineData("callout-user.seed", UnixFileMode.GroupRead)]
    [InlineData("issuer-account.seed", UnixFileMode.OtherRead)]
    [InlineData("xkey.seed", UnixFileMode.OtherWrite)]
    public void Refuses_a_secret_that_others_may_touch_and_says_how_to_close_it(string file, UnixFileMode open)
    {
        NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed).Dispose();
        var path = _folder.At($"nats/{file}");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | open);
        Assert.Equal($"{path} holds a secret and is open to other users; run: chmod 600 {path}", Refusal());
    }

    [Theory]
    [InlineData("callout-user.seed", "")]
    [InlineData("callout-user.seed", "garbage")]
    [InlineData("issuer-account.seed", "SAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("issuer-account.seed", "\0\0\0\0")]
    [InlineData("xkey.seed", "not base32 !!!")]
    public void Refuses_a_file_that_holds_no_seed_names_it_and_does_not_repeat_its_content(string file, string content)
    {
        NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed).Dispose();
        File.WriteAllText(_folder.At($"nats/{file}"), content);
        var refusal = Refusal();
        Assert.StartsWith(_folder.At($"nats/{file}"), refusal, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal);
        if (content.Trim('\0').Length > 0) Assert.DoesNotContain(content, refusal, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(_folder.At($"nats/{file}")));
    }

    [Theory]
    [InlineData("callout-user.seed", "issuer-account.seed")]
    [InlineData("issuer-account.seed", "callout-user.seed")]
    [InlineData("callout-user.seed", "xkey.seed")]
    [InlineData("xkey.seed", "callout-user.seed")]
    public void Refuses_a_seed_of_another_type(string file, string from)
    {
        NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed).Dispose();
        var seed = File.ReadAllText(_folder.At($"nats/{from}")).Trim();
        File.WriteAllText(_folder.At($"nats/{file}"), seed);
        var refusal = Refusal();
        Assert.StartsWith(_folder.At($"nats/{file}"), refusal, StringComparison.Ordinal);
        Assert.DoesNotContain(seed, refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void Reads_no_file_that_is_too_long_to_be_a_seed()
    {
        NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed).Dispose();
        File.WriteAllText(_folder.At("nats/xkey.seed"), new string('A', 257));
        Assert.Contains("is not a seed file of this server", Refusal(), StringComparison.Ordinal);
    }

    private string Refusal() => Assert.Throws<CannotStartException>(() => NatsCalloutKeys.LoadOrCreate(_folder.At("nats"), SecretFiles.Unsealed)).Message;

    private static string[] Publics(NatsCalloutKeys keys) => [keys.User.GetPublicKey(), keys.Issuer.GetPublicKey(), keys.Curve.GetPublicKey()];
}
