using System.Formats.Asn1;
using System.Security.Cryptography;
using CsCheck;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>The quick signature check says what the base library says; the base library is the oracle.</summary>
public class NativeP256Tests
{
    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly byte[] PublicKey = Key.ExportSubjectPublicKeyInfo();

    // 2^256 - 2^224 + 2^192 + 2^96 - 1 (SP 800-186 §3.2.1.3).
    private static readonly byte[] FieldPrime = Convert.FromHexString("FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF");

    [Fact]
    public void Knows_a_genuine_signature() => Assert.Equal(NativeVerdict.Genuine, NativeP256.Verify(PublicKey, "data"u8, Sign("data"u8)));

    [Fact]
    public void Knows_a_signature_of_something_else_or_of_someone_else()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(NativeVerdict.Wrong, NativeP256.Verify(PublicKey, "date"u8, Sign("data"u8)));
        Assert.Equal(NativeVerdict.Wrong, NativeP256.Verify(other.ExportSubjectPublicKeyInfo(), "data"u8, Sign("data"u8)));
    }

    [Fact]
    public void Agrees_with_the_base_library_about_every_changed_signature() =>
        Gen.Select(Gen.Byte.Array[1, 200], Gen.Int[0, 71], Gen.Byte).Sample(
            (data, position, change) =>
            {
                var signature = Sign(data);
                signature[position % signature.Length] ^= change;
                var expected = Key.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
                Assert.Equal(expected, NativeP256.Verify(PublicKey, data, signature) is NativeVerdict.Genuine);
            },
            iter: 2000);

    [Fact]
    public void Agrees_with_the_base_library_about_every_changed_point() =>
        Gen.Select(Gen.Int[27, 90], Gen.Byte[1, 255]).Sample(
            (position, change) =>
            {
                var changed = (byte[])PublicKey.Clone();
                changed[position] ^= change;
                using var oracle = ECDsa.Create();
                var isKey = true;
                try
                {
                    oracle.ImportSubjectPublicKeyInfo(changed, out _);
                }
                catch (CryptographicException)
                {
                    isKey = false;
                }

                Assert.Equal(isKey ? NativeVerdict.Wrong : NativeVerdict.NotAKey, NativeP256.Verify(changed, "data"u8, Sign("data"u8)));
            },
            iter: 500);

    [Fact]
    public void Refuses_the_origin_and_coordinates_outside_the_field()
    {
        Assert.Equal(NativeVerdict.NotAKey, Verify(new byte[32], new byte[32]));
        Assert.Equal(NativeVerdict.NotAKey, Verify(FieldPrime, PublicKey[59..]));
        Assert.Equal(NativeVerdict.NotAKey, Verify(PublicKey[27..59], FieldPrime));

        static NativeVerdict Verify(byte[] x, byte[] y) => NativeP256.Verify([.. PublicKey[..27], .. x, .. y], "data"u8, Sign("data"u8));
    }

    [Fact]
    public void Refuses_numbers_no_signature_has()
    {
        byte[] order = Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
        foreach (var (r, s) in new (byte[], byte[])[] { ([0], [0]), ([1], [0]), ([0], [1]), (order, [1]), ([1], order) })
        {
            var writer = new AsnWriter(AsnEncodingRules.DER);
            using (writer.PushSequence())
            {
                writer.WriteIntegerUnsigned(r);
                writer.WriteIntegerUnsigned(s);
            }

            Assert.Equal(NativeVerdict.Wrong, NativeP256.Verify(PublicKey, "data"u8, writer.Encode()));
        }
    }

    [Fact]
    public void Refuses_a_signature_that_is_not_DER_to_its_last_byte()
    {
        var signature = Sign("data"u8);
        Assert.Equal(NativeVerdict.Wrong, NativeP256.Verify(PublicKey, "data"u8, [.. signature, 0]));
        Assert.Equal(NativeVerdict.Wrong, NativeP256.Verify(PublicKey, "data"u8, signature.AsSpan(1)));
        Assert.Equal(NativeVerdict.Wrong, NativeP256.Verify(PublicKey, "data"u8, [0x30, 0x81, .. signature[1..]]));
        Assert.Equal(NativeVerdict.Wrong, NativeP256.Verify(PublicKey, "data"u8, []));
    }

    [Fact]
    public void Leaves_every_other_key_to_the_base_library()
    {
        using var p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        foreach (var key in new[] { p384.ExportSubjectPublicKeyInfo(), [], PublicKey[..90], [.. PublicKey, 0] })
            Assert.Equal(NativeVerdict.Unavailable, NativeP256.Verify(key, "data"u8, Sign("data"u8)));
    }

    private static byte[] Sign(ReadOnlySpan<byte> data) => Key.SignData(data.ToArray(), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
}
