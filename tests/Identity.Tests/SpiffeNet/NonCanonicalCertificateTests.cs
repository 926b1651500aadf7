using System.Security.Cryptography.X509Certificates;
using System.Text;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>Certificates that lenient readers take and DER does not allow (X.690 §§8-11, RFC 5280 §4.1), each signed by the trusted root as it stands.</summary>
[Trait("rule", "X509-23")]
public class NonCanonicalCertificateTests
{
    // The fields of a TBSCertificate, by position.
    private const int Version = 0, Serial = 1, Algorithm = 2, Issuer = 3, Validity = 4, Subject = 5, Key = 6, Extensions = 7;

    private static readonly ForgedCertificate Root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));
    private static readonly TrustBundleSet Bundles = new(Root.AsBundle());

    private const string NotDer = "the certificate is not well-formed DER, or has bytes after its end";

    // A flaw that needs an extension which authorities lack would test nothing.
    private static readonly CertificateRecipe Intermediate = CertificateRecipe.Authority("issuing") with { ExtendedKeyUsage = new CertificateRecipe().ExtendedKeyUsage };

    private static readonly Dictionary<string, Action<DerTree>> SignedParts = new()
    {
        ["a longer length of the whole"] = tbs => tbs.HasLongLength = true,
        ["an indefinite length of the whole"] = tbs => tbs.HasIndefiniteLength = true,
        ["a longer length of the validity"] = tbs => tbs[Validity].HasLongLength = true,
        ["an indefinite length inside the issuer"] = tbs => tbs[Issuer][0].HasIndefiniteLength = true,
        ["a longer length of a value in the subject"] = tbs => tbs[Subject][0][0][1].HasLongLength = true,
        ["a longer length of the key's algorithm"] = tbs => tbs[Key][0].HasLongLength = true,
        ["a longer length of an extension's value"] = tbs => tbs[Extensions][0][0][^1].HasLongLength = true,
        ["an indefinite length of the extensions"] = tbs => tbs[Extensions][0].HasIndefiniteLength = true,
        ["an integer with a leading zero"] = tbs => tbs[Serial].Content = [0x00, 0x42],
        ["a negative integer with leading ones"] = tbs => tbs[Serial].Content = [0xFF, 0x82],
        ["an empty integer"] = tbs => tbs[Serial].Content = [],
        ["a version with a leading zero"] = tbs => tbs[Version][0].Content = [0x00, 0x02],
        ["version 2"] = tbs => tbs[Version][0].Content = [0x01],
        ["version 4"] = tbs => tbs[Version][0].Content = [0x03],
        ["true written as 01"] = tbs => tbs[Extensions][0][0][1].Content = [0x01],
        ["false written out"] = tbs => Extension(tbs, 0x25).Children.Insert(1, DerTree.Primitive(0x01, 0x00)),
        ["cA=FALSE written out"] = tbs => SetValue(tbs, 0x13, [0x30, 0x03, 0x01, 0x01, 0x00]),
        ["cA as an integer"] = tbs => SetValue(tbs, 0x13, [0x30, 0x03, 0x02, 0x01, 0x00]),
        ["an object identifier with leading zeros"] = tbs => tbs[Subject][0][0][0].Content = [0x55, 0x80, 0x04, 0x03],
        ["an object identifier cut off"] = tbs => tbs[Subject][0][0][0].Content = [0x55, 0x84],
        ["an object identifier of a thousand bytes"] = tbs => tbs[Subject][0][0][0].Content = [0x55, .. Enumerable.Repeat((byte)0x81, 999), 0x01],
        ["an unsorted set in the subject"] = tbs => tbs[Subject][0].Children.Insert(0, DerTree.Parse([0x30, 0x27, 0x06, 0x03, 0x55, 0x04, 0x0A, 0x0C, 0x20, .. Enumerable.Repeat((byte)0x7A, 32)])),
        ["an empty set in the subject"] = tbs => tbs[Subject][0].Children.Clear(),
        ["a string in pieces in the subject"] = tbs => { tbs[Subject][0][0][1].Tag |= 0x20; tbs[Subject][0][0][1].Children.Add(DerTree.Primitive(0x0C, 0x78)); },
        ["a VisibleString in the subject"] = tbs => tbs[Subject][0][0][1] = DerTree.Primitive(0x1A, 0x78),
        ["octets in the subject"] = tbs => tbs[Subject][0][0][1] = DerTree.Primitive(0x04, 0x78),
        ["a number in the subject"] = tbs => tbs[Subject][0][0][1] = DerTree.Primitive(0x02, 0x78),
        ["a value of nobody's kind in the subject"] = tbs => tbs[Subject][0][0][1] = DerTree.Primitive(0x80, 0x78),
        ["a UTF8String of no text in the subject"] = tbs => tbs[Subject][0][0][1] = DerTree.Primitive(0x0C, 0xC3, 0x28),
        ["a BMPString of an odd length in the subject"] = tbs => tbs[Subject][0][0][1] = DerTree.Primitive(0x1E, 0x00, 0x78, 0x00),
        ["a BMPString with half a pair in the subject"] = tbs => tbs[Subject][0][0][1] = DerTree.Primitive(0x1E, 0xD8, 0x00),
        ["a UniversalString beyond Unicode in the subject"] = tbs => tbs[Subject][0][0][1] = DerTree.Primitive(0x1C, 0x00, 0x11, 0x00, 0x00),
        ["a time without seconds"] = tbs => tbs[Validity][0].Content = "2603011100Z"u8.ToArray(),
        ["a time with an offset"] = tbs => tbs[Validity][0].Content = "260301110000+0000"u8.ToArray(),
        ["a time before 2050 as GeneralizedTime"] = tbs => tbs[Validity][1] = DerTree.Primitive(0x18, "20260301130000Z"u8.ToArray()),
        ["a fraction of a second"] = tbs => tbs[Validity][1] = DerTree.Primitive(0x18, "20510301130000.5Z"u8.ToArray()),
        ["a third time"] = tbs => tbs[Validity].Children.Add(tbs[Validity][1]),
        ["a unique identifier"] = tbs => tbs.Children.Insert(Extensions, DerTree.Primitive(0x81, 0x00, 0x42)),
        ["no extensions but their list"] = tbs => tbs[Extensions][0].Children.Clear(),
        ["something after the extensions"] = tbs => tbs.Children.Add(DerTree.Primitive(0x05)),
        ["key usage bits of nothing"] = tbs => SetValue(tbs, 0x0F, [0x03, 0x01, 0x00]),
        ["key usage with trailing zeros"] = tbs => SetValue(tbs, 0x0F, [0x03, 0x02, 0x00, 0x80]),
        ["key usage with unused bits set"] = tbs => SetValue(tbs, 0x0F, [0x03, 0x02, 0x07, 0x81]),
        ["key usage of three bytes"] = tbs => SetValue(tbs, 0x0F, [0x03, 0x04, 0x00, 0x80, 0x00, 0x01]),
        ["bytes after the key usage"] = tbs => SetValue(tbs, 0x0F, [0x03, 0x02, 0x07, 0x80, 0x00]),
        ["bytes after the alternative names"] = tbs => Extension(tbs, 0x11)[^1].Content = [.. Extension(tbs, 0x11)[^1].Content, 0x05, 0x00],
        ["alternative names of no name"] = tbs => SetValue(tbs, 0x11, [0x30, 0x00]),
        ["an alternative name beyond ASCII"] = tbs => Extension(tbs, 0x11)[^1].Content[^1] = 0xE9,
        ["an address of five bytes"] = tbs => SetValue(tbs, 0x11, [0x30, 0x07, 0x87, 0x05, 1, 2, 3, 4, 5]),
        ["an empty extended key usage"] = tbs => SetValue(tbs, 0x25, [0x30, 0x00]),
        ["RSA parameters in an ECDSA algorithm"] = tbs => tbs[Algorithm].Children.Add(DerTree.Primitive(0x05)),
    };

    private static readonly Dictionary<string, Action<DerTree>> Wholes = new()
    {
        ["a longer length"] = certificate => certificate.HasLongLength = true,
        ["an indefinite length"] = certificate => certificate.HasIndefiniteLength = true,
        ["a longer length of the signature"] = certificate => certificate[2].HasLongLength = true,
        ["unused bits in the signature"] = certificate => certificate[2].Content = [0x01, .. certificate[2].Content.AsSpan(1, certificate[2].Content.Length - 2), 0xFE],
        ["no signature"] = certificate => certificate[2].Content = [0x00],
        ["a signature in BER"] = certificate => certificate[2].Content = [0x00, 0x30, 0x81, .. certificate[2].Content.AsSpan(2)],
        ["bytes after the signature in its bits"] = certificate => certificate[2].Content = [.. certificate[2].Content, 0x00],
        ["something after the signature"] = certificate => certificate.Children.Add(DerTree.Primitive(0x05)),
        ["NULL parameters outside only"] = certificate => certificate[1].Children.Add(DerTree.Primitive(0x05)),
        ["a set instead of a sequence"] = certificate => certificate.Tag = 0x31,
    };

    /// <summary>Flaws that are more than ill-formed DER, and the words that say which.</summary>
    private static readonly Dictionary<string, string> Reasons = new()
    {
        ["version 2"] = "not version 3",
        ["version 4"] = "not version 3",
        ["false written out"] = "writes out a default value",
        ["cA=FALSE written out"] = "writes out a default value",
        ["cA as an integer"] = "a path length although it is not an authority",
        ["a time before 2050 as GeneralizedTime"] = "a time before 2050",
        ["a fraction of a second"] = "a fraction of a second",
        ["no extensions but their list"] = "an empty list of extensions",
        ["key usage bits of nothing"] = "key usage ends in bits that are not set",
        ["key usage with trailing zeros"] = "key usage ends in bits that are not set",
        ["key usage of three bytes"] = "a key usage with unknown bits",
        ["alternative names of no name"] = "an alternative name extension without a name",
        ["an empty extended key usage"] = "an empty extended key usage",
        ["RSA parameters in an ECDSA algorithm"] = "two different signature algorithms",
        ["unused bits in the signature"] = "not a whole number of bytes",
        ["no signature"] = "a signature in the chain is wrong",
        ["a signature in BER"] = "a signature in the chain is wrong",
        ["bytes after the signature in its bits"] = "a signature in the chain is wrong",
        ["NULL parameters outside only"] = "two different signature algorithms",
    };

    public static TheoryData<string> SignedPartNames => [.. SignedParts.Keys];

    public static TheoryData<string> WholeNames => [.. Wholes.Keys];

    [Theory]
    [MemberData(nameof(SignedPartNames))]
    public void Refuses_a_leaf_whose_signed_part_has(string flaw) =>
        AssertRefused(ReasonOf(flaw), Root.Issue(new CertificateRecipe { Subject = "x", SpoilSignedPart = SignedParts[flaw] }).Der);

    [Theory]
    [MemberData(nameof(WholeNames))]
    public void Refuses_a_leaf_that_has(string flaw) => AssertRefused(ReasonOf(flaw), Root.Issue(new CertificateRecipe { SpoilWhole = Wholes[flaw] }).Der);

    [Theory]
    [MemberData(nameof(SignedPartNames))]
    public void Refuses_an_intermediate_whose_signed_part_has(string flaw)
    {
        // Many a flaw makes it useless as an issuer as well, by its name or by what it may do: only the reason tells that its encoding was looked at.
        var issuing = Root.Issue(Intermediate with { SpoilSignedPart = SignedParts[flaw] });
        // An integer where cA would be is a path length without cA: in an issuer it is cA that is missed.
        var reason = flaw == "cA as an integer" ? "the signing certificate does not have cA=true" : ReasonOf(flaw);
        AssertRefused(reason, issuing.Issue(new CertificateRecipe()).Der, issuing.Der);
    }

    [Fact]
    public void Accepts_the_same_intermediate_unspoilt()
    {
        var issuing = Root.Issue(Intermediate with { SpoilSignedPart = _ => { } });
        Assert.IsType<X509SvidVerification.Verified>(Verify(issuing.Issue(new CertificateRecipe()).Der, issuing.Der));
    }

    [Fact]
    public void Accepts_the_same_certificate_unspoilt() =>
        Assert.IsType<X509SvidVerification.Verified>(Verify(Root.Issue(new CertificateRecipe { Subject = "x", SpoilSignedPart = _ => { } }).Der));

    [Theory]
    [InlineData(0x0C, "x")]
    [InlineData(0x12, "1")]
    [InlineData(0x13, "x_y")] // The underscore is not of the kind, and many write it.
    [InlineData(0x14, "x")]
    [InlineData(0x16, "x@example.org")]
    [InlineData(0x1C, "\0\0\0x")]
    [InlineData(0x1E, "\0x")]
    public void Accepts_every_kind_of_text_that_a_name_may_have(byte kind, string content)
    {
        var leaf = Root.Issue(new CertificateRecipe { Subject = "x", SpoilSignedPart = tbs => tbs[Subject][0][0][1] = DerTree.Primitive(kind, Encoding.Latin1.GetBytes(content)) });
        Assert.IsType<X509SvidVerification.Verified>(Verify(leaf.Der));
        X509CertificateLoader.LoadCertificate(leaf.Der).Dispose();
    }

    [Theory]
    [InlineData(0x00)]
    [InlineData(0x30)]
    public void Refuses_garbage_after_any_certificate(byte garbage)
    {
        var issuing = Root.Issue(CertificateRecipe.Authority("issuing"));
        var leaf = issuing.Issue(new CertificateRecipe());
        Assert.IsType<X509SvidVerification.Verified>(Verify(leaf.Der, issuing.Der));
        AssertRefused(NotDer, [.. leaf.Der, garbage], issuing.Der);
        AssertRefused(NotDer, leaf.Der, [.. issuing.Der, garbage]);
    }

    [Fact]
    public void Refuses_one_that_is_nested_without_end()
    {
        byte[] deep = [0x05, 0x00];
        for (var i = 0; i < 2_000; i++) deep = DerTree.Encode(0x30, deep);
        AssertRefused(NotDer, deep);
    }

    private static DerTree Extension(DerTree tbs, byte number) => tbs[Extensions][0].Children.Single(extension => extension[0].Content is [0x55, 0x1D, var last] && last == number);

    private static void SetValue(DerTree tbs, byte extension, byte[] value) => Extension(tbs, extension)[^1].Content = value;

    private static X509SvidVerification Verify(params byte[][] chain) =>
        X509SvidVerifier.Verify([.. chain.Select(der => (ReadOnlyMemory<byte>)der)], Bundles, CertificateRecipe.Now);

    private static string ReasonOf(string flaw) => Reasons.GetValueOrDefault(flaw, NotDer);

    private static void AssertRefused(string reason, params byte[][] chain) =>
        Assert.Contains(reason, Assert.IsType<X509SvidVerification.Refused>(Verify(chain)).Reason, StringComparison.Ordinal);
}
