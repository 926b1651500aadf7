using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>A good chain with something changed is no good chain: every bit of the leaf, every byte of the intermediate, and random damage (seeded, so it repeats).</summary>
[Trait("rule", "X509-23")]
[Trait("rule", "SID-22")]
public class X509SvidMutationTests
{
    private static readonly ForgedCertificate Root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));
    private static readonly ForgedCertificate Issuing = Root.Issue(CertificateRecipe.Authority("issuing"));
    private static readonly ForgedCertificate Leaf = Issuing.Issue(new CertificateRecipe { DnsNames = ["local"], Addresses = ["127.0.0.1"] });
    private static readonly TrustBundleSet Bundles = new(Root.AsBundle());

    public X509SvidMutationTests() =>
        // Also has the bundle remember the intermediate, so that what is measured against it is the damage, not an import of its key.
        Assert.IsType<X509SvidVerification.Verified>(Verify(Leaf.Der, Issuing.Der));

    [Fact]
    public void Every_bit_of_the_leaf_counts()
    {
        for (var position = 0; position < Leaf.Der.Length * 8; position++)
        {
            var changed = (byte[])Leaf.Der.Clone();
            changed[position / 8] ^= (byte)(1 << (position % 8));
            Assert.True(Verify(changed, Issuing.Der) is X509SvidVerification.Refused, $"bit {position} of the leaf");
        }
    }

    [Fact]
    public void Every_byte_of_the_intermediate_counts()
    {
        for (var position = 0; position < Issuing.Der.Length; position++)
        {
            var changed = (byte[])Issuing.Der.Clone();
            changed[position] ^= (byte)(1 << (position % 8));
            Assert.True(Verify(Leaf.Der, changed) is X509SvidVerification.Refused, $"byte {position} of the intermediate");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_random_damage_is_accepted(int seed)
    {
        var random = new Pcg((ulong)seed);
        for (var round = 0; round < 1_000; round++)
        {
            var changesLeaf = random.Next(2) == 0;
            var original = changesLeaf ? Leaf.Der : Issuing.Der;
            var changed = Damage([.. original], random);
            if (changed.AsSpan().SequenceEqual(original)) continue;
            var verification = changesLeaf ? Verify(changed, Issuing.Der) : Verify(Leaf.Der, changed);
            Assert.True(verification is X509SvidVerification.Refused, $"round {round} of seed {seed}: {Convert.ToHexString(changed)}");
        }
    }

    private static byte[] Damage(List<byte> bytes, Pcg random)
    {
        for (var changes = 1 + random.Next(4); changes > 0; changes--)
        {
            var position = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[position] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.Insert(position, (byte)random.Next(256));
                    break;
                case 2:
                    bytes.RemoveAt(position);
                    break;
                case 3:
                    bytes.InsertRange(position, bytes.GetRange(position, Math.Min(random.Next(20), bytes.Count - position)));
                    break;
                default:
                    bytes.RemoveRange(position, Math.Min(random.Next(20), bytes.Count - position - 1));
                    break;
            }
        }

        return [.. bytes];
    }

    private static X509SvidVerification Verify(byte[] leaf, byte[] intermediate) => X509SvidVerifier.Verify([leaf, intermediate], Bundles, CertificateRecipe.Now);
}
