using System.Security.Cryptography;
using System.Text;
using CsCheck;
using Identity.Server.Authority;
using Xunit;

namespace Identity.Tests.Server.Authority;

public sealed class KeyEncryptionKeyTests
{
    private static readonly KeyEncryptionKey Key = NewKey();

    [Fact]
    public void Opens_what_it_sealed_and_seals_nothing_twice_alike() =>
        Gen.Byte.Array[0, 4096].Sample(
            secret =>
            {
                var file = Key.Seal("a.pem", secret);
                Assert.True(Key.TryOpen("a.pem", file, out var opened));
                Assert.Equal(secret, opened);
                Assert.NotEqual(file, Key.Seal("a.pem", secret));
            },
            iter: 100);

    [Fact]
    public void A_sealed_file_shows_nothing_of_its_secret()
    {
        var secret = Encoding.ASCII.GetBytes(new string('S', 60));
        var body = Convert.FromBase64String(string.Concat(Encoding.ASCII.GetString(Key.Seal("a.pem", secret)).Split('\n')[1..^2]));
        Assert.Equal(-1, body.AsSpan().IndexOf("SSSS"u8));
    }

    [Fact]
    public void Refuses_a_file_with_any_bit_changed()
    {
        var file = Encoding.ASCII.GetString(Key.Seal("a.pem", "secret"u8));
        var lines = file.Split('\n');
        var body = Convert.FromBase64String(string.Concat(lines[1..^2]));
        for (var bit = 0; bit < body.Length * 8; bit++)
        {
            body[bit / 8] ^= (byte)(1 << (bit % 8));
            var changed = Encoding.ASCII.GetBytes($"{lines[0]}\n{Convert.ToBase64String(body)}\n{lines[^2]}\n");
            Assert.False(Key.TryOpen("a.pem", changed, out var secret), $"bit {bit}");
            Assert.Null(secret);
            body[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Refuses_a_file_under_another_name() => Assert.False(Key.TryOpen("b.pem", Key.Seal("a.pem", "secret"u8), out _));

    [Fact]
    public void Refuses_a_file_sealed_with_another_key() => Assert.False(NewKey().TryOpen("a.pem", Key.Seal("a.pem", "secret"u8), out _));

    [Fact]
    public void A_file_names_the_key_it_is_sealed_with_and_a_file_in_the_clear_names_none()
    {
        Assert.Equal(Key.Id, KeyEncryptionKey.IdOf(Key.Seal("a.pem", "secret"u8)));
        Assert.Null(KeyEncryptionKey.IdOf("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"u8));
        Assert.Null(KeyEncryptionKey.IdOf("-----BEGIN IDENTITYD SEALED SECRET-----\nAAAA\n-----END IDENTITYD SEALED SECRET-----\n"u8));
        Assert.NotEqual(Key.Id, NewKey().Id);
    }

    [Theory]
    [InlineData("")]
    [InlineData("correct horse battery staple")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAA==")] // 16 bytes
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] // no padding
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] // 36 bytes
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")] // hexadecimal
    public void Refuses_what_is_not_the_base64_of_thirty_two_bytes(string text) => Assert.False(KeyEncryptionKey.TryParse(text, out _));

    private static KeyEncryptionKey NewKey() =>
        KeyEncryptionKey.TryParse($" {Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))}\n", out var key) ? key : throw new InvalidOperationException();
}
