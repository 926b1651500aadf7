using System.Text;
using NATS.NKeys;

namespace Identity.Tests.NKeys;

public sealed class CurveKeyPairTests
{
    private static readonly byte[] Message = Encoding.ASCII.GetBytes("eyJ0 a request");

    // RFC 7748 §6.1.
    [Theory]
    [InlineData("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")]
    [InlineData("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")]
    public void Has_the_public_key_RFC_7748_says(string secret, string publicKey)
    {
        using var pair = CurveKeyPair.FromSeed(NKey.EncodeSeed(NKeyPrefix.Curve, Convert.FromHexString(secret)));
        Assert.Equal(NKey.EncodePublicKey(NKeyPrefix.Curve, Convert.FromHexString(publicKey)), pair.GetPublicKey());
    }

    [Fact]
    public void A_sealed_message_opens_for_its_recipient_again_and_again()
    {
        using var alice = CurveKeyPair.Create();
        using var bob = CurveKeyPair.Create();
        for (var i = 0; i < 3; i++)
        {
            var box = alice.Seal(Message, bob.GetPublicKey());
            Assert.Equal(Message.Length + CurveKeyPair.Overhead, box.Length);
            Assert.True(CurveKeyPair.IsSealed(box));
            Assert.True(bob.TryOpen(box, alice.GetPublicKey(), out var opened, out _));
            Assert.Equal(Message, opened);
        }
    }

    [Fact]
    public void The_same_message_is_sealed_differently_each_time()
    {
        using var alice = CurveKeyPair.Create();
        using var bob = CurveKeyPair.Create();
        Assert.NotEqual(alice.Seal(Message, bob.GetPublicKey()), alice.Seal(Message, bob.GetPublicKey()));
    }

    [Fact]
    public void Refuses_a_box_with_any_byte_changed_or_cut()
    {
        using var alice = CurveKeyPair.Create();
        using var bob = CurveKeyPair.Create();
        var box = alice.Seal(Message, bob.GetPublicKey());
        for (var at = 0; at < box.Length; at++)
        {
            box[at] ^= 1;
            Assert.False(bob.TryOpen(box, alice.GetPublicKey(), out var opened, out var problem));
            Assert.Null(opened);
            Assert.NotEmpty(problem);
            box[at] ^= 1;
            Assert.False(bob.TryOpen(box.AsSpan(0, at), alice.GetPublicKey(), out _, out _));
        }
    }

    [Fact]
    public void Refuses_a_box_from_another_sender_or_for_another_recipient()
    {
        using var alice = CurveKeyPair.Create();
        using var bob = CurveKeyPair.Create();
        using var mallory = CurveKeyPair.Create();
        var box = alice.Seal(Message, bob.GetPublicKey());

        Assert.False(bob.TryOpen(box, mallory.GetPublicKey(), out _, out _));
        Assert.False(mallory.TryOpen(box, alice.GetPublicKey(), out _, out _));
    }

    [Fact]
    public void Refuses_a_peer_that_is_no_curve_key()
    {
        using var alice = CurveKeyPair.Create();
        using var user = KeyPair.CreatePair(NKeyPrefix.User);
        Assert.Throws<FormatException>(() => alice.Seal(Message, user.GetPublicKey()));
        Assert.Throws<FormatException>(() => alice.Seal(Message, "X"));
        Assert.Throws<FormatException>(() => CurveKeyPair.FromSeed(user.GetSeed()));
    }

    [Fact]
    public void Refuses_a_weak_point()
    {
        using var alice = CurveKeyPair.Create();
        var zero = NKey.EncodePublicKey(NKeyPrefix.Curve, new byte[NKey.KeyBytes]);
        var error = Assert.Throws<FormatException>(() => alice.Seal(Message, zero));
        Assert.Contains("weak", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Meeting_more_peers_than_it_remembers_changes_nothing()
    {
        using var alice = CurveKeyPair.Create();
        using var bob = CurveKeyPair.Create();
        var box = bob.Seal(Message, alice.GetPublicKey());
        for (var i = 0; i < 300; i++)
        {
            using var passerBy = CurveKeyPair.Create();
            alice.Seal(Message, passerBy.GetPublicKey());
        }

        Assert.True(alice.TryOpen(box, bob.GetPublicKey(), out _, out _));
    }

    [Fact]
    public void Does_nothing_after_it_is_disposed()
    {
        using var bob = CurveKeyPair.Create();
        var alice = CurveKeyPair.Create();
        alice.Dispose();
        Assert.Throws<ObjectDisposedException>(() => alice.Seal(Message, bob.GetPublicKey()));
        Assert.Throws<ObjectDisposedException>(alice.GetSeed);
    }
}
