using CsCheck;
using NATS.NKeys;

namespace Identity.Tests.NKeys;

public sealed class NKeyTests
{
    // The nkey user of the NATS documentation.
    private const string DocumentedSeed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    private const string DocumentedPublicKey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    [Fact]
    public void Reads_the_seed_of_the_documentation()
    {
        using var pair = KeyPair.FromSeed(DocumentedSeed);
        Assert.Equal(DocumentedPublicKey, pair.GetPublicKey());
        Assert.Equal(DocumentedSeed, pair.GetSeed());
        Assert.Equal(NKeyPrefix.User, pair.Prefix);
    }

    [Theory]
    [InlineData(NKeyPrefix.Account, 'A')]
    [InlineData(NKeyPrefix.Cluster, 'C')]
    [InlineData(NKeyPrefix.Server, 'N')]
    [InlineData(NKeyPrefix.Operator, 'O')]
    [InlineData(NKeyPrefix.User, 'U')]
    [InlineData(NKeyPrefix.Curve, 'X')]
    public void Every_type_has_its_letter_and_comes_back(NKeyPrefix prefix, char letter) =>
        Gen.Byte.Array[NKey.KeyBytes].Sample(key =>
        {
            var text = NKey.EncodePublicKey(prefix, key);
            var back = new byte[NKey.KeyBytes];
            Assert.Equal(letter, text[0]);
            Assert.True(NKey.TryDecodePublicKey(text, out var type, back, out _));
            Assert.Equal(prefix, type);
            Assert.Equal(key, back);

            var seed = NKey.EncodeSeed(prefix, key);
            Assert.Equal($"S{letter}", seed[..2]);
            Assert.True(NKey.TryDecodeSeed(seed, out type, back, out _));
            Assert.Equal(prefix, type);
            Assert.Equal(key, back);
        }, iter: 50);

    [Fact]
    public void Refuses_a_public_key_with_any_one_character_changed()
    {
        var ignored = new byte[NKey.KeyBytes];
        for (var at = 0; at < DocumentedPublicKey.Length; at++)
        {
            foreach (var other in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567018=au \n\0é")
            {
                if (other == DocumentedPublicKey[at])
                    continue;
                var changed = DocumentedPublicKey[..at] + other + DocumentedPublicKey[(at + 1)..];
                Assert.False(NKey.TryDecodePublicKey(changed, out _, ignored, out var problem), changed);
                Assert.NotEmpty(problem);
            }
        }
    }

    [Fact]
    public void Refuses_a_seed_with_any_one_character_changed_and_does_not_repeat_it()
    {
        for (var at = 0; at < DocumentedSeed.Length; at++)
        {
            foreach (var other in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567s=")
            {
                // The last character carries two bits that must be zero: every other spelling of it is refused as well.
                if (other == DocumentedSeed[at])
                    continue;
                var changed = DocumentedSeed[..at] + other + DocumentedSeed[(at + 1)..];
                var error = Assert.Throws<FormatException>(() => KeyPair.FromSeed(changed));
                Assert.DoesNotContain(changed[2..12], error.Message, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF")]
    [InlineData("UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4=")]
    [InlineData("UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4A")]
    [InlineData("udxu4rcsjnzoiqhznwxhxordprtgnjahahfrgzneejcpqtt2m7nlcnf4")]
    [InlineData(DocumentedSeed)]
    public void Refuses_what_is_not_a_public_key(string text)
    {
        Assert.False(NKey.TryDecodePublicKey(text, out _, new byte[NKey.KeyBytes], out _));
        Assert.Throws<FormatException>(() => KeyPair.FromPublicKey(text));
    }

    [Theory]
    [InlineData((NKeyPrefix)(15 << 3))] // P: a private key, which has no public text
    [InlineData((NKeyPrefix)(18 << 3))] // S: the mark of a seed
    [InlineData((NKeyPrefix)1)]
    public void Refuses_a_type_it_does_not_know(NKeyPrefix prefix)
    {
        var text = NKey.EncodePublicKey(prefix, new byte[NKey.KeyBytes]);
        Assert.False(NKey.TryDecodePublicKey(text, out _, new byte[NKey.KeyBytes], out var problem));
        Assert.Contains("first letter", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_of_one_type_is_not_a_key_of_another()
    {
        Assert.True(NKey.IsPublicKey(DocumentedPublicKey, NKeyPrefix.User));
        Assert.False(NKey.IsPublicKey(DocumentedPublicKey, NKeyPrefix.Account));
        Assert.False(NKey.IsPublicKey("UDXU", NKeyPrefix.User));
    }
}
