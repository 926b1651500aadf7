using System.Text;
using NATS.NKeys;

namespace Identity.Tests.NKeys;

public sealed class KeyPairTests
{
    // RFC 8032 §7.1, tests 1 to 3: secret key, public key, message, signature.
    public static TheoryData<string, string, string, string> Rfc8032 => new()
    {
        {
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        },
        {
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        },
        {
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        },
    };

    [Theory]
    [MemberData(nameof(Rfc8032))]
    public void Signs_as_RFC_8032_says(string secret, string publicKey, string message, string signature)
    {
        using var pair = KeyPair.FromSeed(NKey.EncodeSeed(NKeyPrefix.User, Convert.FromHexString(secret)));
        var signed = new byte[KeyPair.SignatureLength];
        pair.Sign(Convert.FromHexString(message).AsMemory(), signed.AsMemory());

        Assert.Equal(NKey.EncodePublicKey(NKeyPrefix.User, Convert.FromHexString(publicKey)), pair.GetPublicKey());
        Assert.Equal(signature, Convert.ToHexStringLower(signed));
        Assert.True(pair.Verify(Convert.FromHexString(message), signed));
    }

    [Fact]
    public void A_public_key_verifies_what_its_seed_signed_and_cannot_sign()
    {
        using var pair = KeyPair.CreatePair(NKeyPrefix.Account);
        using var alone = KeyPair.FromPublicKey(pair.GetPublicKey());
        var message = Encoding.ASCII.GetBytes("hello");
        var signature = Signed(pair, message);

        Assert.True(alone.Verify(message, signature));
        Assert.False(alone.CanSign);
        Assert.Throws<InvalidOperationException>(() => alone.Sign(message, new byte[64]));
        Assert.Throws<InvalidOperationException>(alone.GetSeed);
    }

    [Fact]
    public void Refuses_a_signature_with_any_bit_changed()
    {
        using var pair = KeyPair.CreatePair(NKeyPrefix.User);
        var message = Encoding.ASCII.GetBytes("hello");
        var signature = Signed(pair, message);
        for (var bit = 0; bit < signature.Length * 8; bit++)
        {
            signature[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(pair.Verify(message, signature));
            signature[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.True(pair.Verify(message, signature));
    }

    [Fact]
    public void Refuses_a_signature_over_another_message_of_another_key_or_of_another_length()
    {
        using var pair = KeyPair.CreatePair(NKeyPrefix.User);
        using var other = KeyPair.CreatePair(NKeyPrefix.User);
        var message = Encoding.ASCII.GetBytes("hello");
        var signature = Signed(pair, message);

        Assert.False(pair.Verify(Encoding.ASCII.GetBytes("hellp"), signature));
        Assert.False(other.Verify(message, signature));
        Assert.False(pair.Verify(message, signature.AsSpan(0, 63)));
        Assert.False(pair.Verify(message, [.. signature, 0]));
        Assert.False(pair.Verify(message, []));
    }

    [Fact]
    public void Two_new_pairs_differ() =>
        Assert.NotEqual(KeyPair.CreatePair(NKeyPrefix.User).GetSeed(), KeyPair.CreatePair(NKeyPrefix.User).GetSeed());

    [Fact]
    public void A_curve_key_is_no_signing_key()
    {
        using var curve = CurveKeyPair.Create();
        Assert.Throws<FormatException>(() => KeyPair.FromSeed(curve.GetSeed()));
        Assert.Throws<FormatException>(() => KeyPair.FromPublicKey(curve.GetPublicKey()));
        Assert.Throws<ArgumentOutOfRangeException>(() => KeyPair.CreatePair(NKeyPrefix.Curve));
    }

    [Fact]
    public void Prints_its_public_key_and_nothing_else()
    {
        using var pair = KeyPair.CreatePair(NKeyPrefix.User);
        Assert.Equal(pair.GetPublicKey(), $"{pair}");
    }

    private static byte[] Signed(KeyPair pair, byte[] message)
    {
        var signature = new byte[KeyPair.SignatureLength];
        pair.Sign(message, signature);
        return signature;
    }
}
