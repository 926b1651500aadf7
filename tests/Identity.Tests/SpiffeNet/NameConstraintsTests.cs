using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>RFC 5280 §4.2.1.10, form by form: satisfied, violated, and not to be evaluated, which refuses.</summary>
[Trait("rule", "X509-14")]
[Trait("rule", "X509-23")]
public class NameConstraintsTests
{
    private static readonly DateTimeOffset Now = CertificateRecipe.Now;
    private static readonly ForgedCertificate Root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));

    [Theory]
    [InlineData("example.org", "spiffe://example.org/x", true)]
    [InlineData("EXAMPLE.org", "spiffe://example.org/x", true)]
    [InlineData("other.org", "spiffe://example.org/x", false)]
    [InlineData("example.org", "spiffe://a.example.org/x", false)]
    [InlineData(".example.org", "spiffe://a.example.org/x", true)]
    [InlineData(".example.org", "spiffe://a.b.example.org/x", true)]
    [InlineData(".example.org", "spiffe://example.org/x", false)]
    [InlineData(".example.org", "spiffe://.example.org/x", false)]
    [InlineData(".example.org", "spiffe://a..example.org/x", false)]
    [InlineData("td", "spiffe://td/x", true)]
    [InlineData("a_b", "spiffe://a_b/x", true)]
    [InlineData("example.org", "spiffe://127.0.0.1/x", false)]
    [InlineData("example.org", "spiffe://notexample.org/x", false)]
    public void A_permitted_URI_host(string constraint, string id, bool isAllowed) =>
        AssertAllowed(isAllowed, Permitted(Ia5(6, constraint)), new CertificateRecipe { Uris = [id] });

    [Theory]
    [InlineData("example.org", "spiffe://example.org/x", false)]
    [InlineData("EXAMPLE.ORG", "spiffe://example.org/x", false)]
    [InlineData("other.org", "spiffe://example.org/x", true)]
    [InlineData(".example.org", "spiffe://a.example.org/x", false)]
    [InlineData(".example.org", "spiffe://example.org/x", true)]
    [InlineData("other.org", "spiffe://127.0.0.1/x", false)]
    public void An_excluded_URI_host(string constraint, string id, bool isAllowed) =>
        AssertAllowed(isAllowed, Excluded(Ia5(6, constraint)), new CertificateRecipe { Uris = [id] });

    [Theory]
    [InlineData("spiffe://example.org")]
    [InlineData("example.org/path")]
    [InlineData("example.org:443")]
    [InlineData("")]
    [InlineData("127.0.0.1")]
    [InlineData("*.example.org")]
    [InlineData("..example.org")]
    [InlineData("example.org.")]
    public void A_URI_constraint_that_is_no_host_refuses(string constraint)
    {
        AssertRefused("is not the host of a URI", Verify(Permitted(Ia5(6, constraint)), new CertificateRecipe()));
        AssertRefused("is not the host of a URI", Verify(Excluded(Ia5(6, constraint)), new CertificateRecipe()));
    }

    [Fact]
    public void What_is_excluded_stays_so_where_it_is_permitted_too() =>
        AssertAllowed(false, Constraints([Ia5(6, "example.org")], [Ia5(6, "example.org")]), new CertificateRecipe());

    [Fact]
    public void One_of_several_permitted_hosts_is_enough() =>
        AssertAllowed(true, Permitted(Ia5(6, "other.org"), Ia5(6, "example.org")), new CertificateRecipe());

    [Theory]
    [InlineData("example.org", "example.org", true)]
    [InlineData("example.org", "a.EXAMPLE.org", true)]
    [InlineData("example.org", "notexample.org", false)]
    [InlineData("example.org", "org", false)]
    [InlineData(".example.org", "a.example.org", true)]
    [InlineData(".example.org", "example.org", false)]
    [InlineData("", "anything.at.all", true)]
    [InlineData("example.org", "*.example.org", true)]
    [InlineData("a.example.org", "*.example.org", false)]
    [InlineData("example.org", "a\0.example.org", false)]
    [InlineData("example.org", "a.example.org.", false)]
    public void A_permitted_DNS_name(string constraint, string name, bool isAllowed) =>
        AssertAllowed(isAllowed, Permitted(Ia5(2, constraint)), new CertificateRecipe { DnsNames = [name] });

    [Theory]
    [InlineData("example.org", "a.example.org", false)]
    [InlineData("example.org", "other.org", true)]
    [InlineData("a.example.org", "*.example.org", false)]
    [InlineData("b.a.example.org", "*.example.org", false)]
    [InlineData("", "other.org", false)]
    public void An_excluded_DNS_name(string constraint, string name, bool isAllowed) =>
        AssertAllowed(isAllowed, Excluded(Ia5(2, constraint)), new CertificateRecipe { DnsNames = [name] });

    [Fact]
    public void A_constraint_on_DNS_names_does_not_touch_URIs() => AssertAllowed(true, Permitted(Ia5(2, "other.org")), new CertificateRecipe());

    [Theory]
    [InlineData("0A000000FF000000", "10.1.2.3", true)]
    [InlineData("0A000000FF000000", "11.1.2.3", false)]
    [InlineData("0A000000FF000000", "::1", false)]
    [InlineData("0000000000000000", "11.1.2.3", true)]
    [InlineData("20010DB8000000000000000000000000FFFFFFFF000000000000000000000000", "2001:db8::1", true)]
    [InlineData("20010DB8000000000000000000000000FFFFFFFF000000000000000000000000", "2001:db9::1", false)]
    [InlineData("20010DB8000000000000000000000000FFFFFFFF000000000000000000000000", "10.0.0.1", false)]
    public void A_permitted_network(string constraint, string address, bool isAllowed) =>
        AssertAllowed(isAllowed, Permitted(DerTree.Encode(0x87, Convert.FromHexString(constraint))), new CertificateRecipe { Addresses = [address] });

    [Fact]
    public void An_excluded_network()
    {
        var constraint = Excluded(DerTree.Encode(0x87, [10, 0, 0, 0, 255, 0, 0, 0]));
        AssertAllowed(false, constraint, new CertificateRecipe { Addresses = ["192.168.0.1", "10.9.9.9"] });
        AssertAllowed(true, constraint, new CertificateRecipe { Addresses = ["192.168.0.1"] });
    }

    [Theory]
    [InlineData("0A0000")]
    [InlineData("0A000000FF00FF00")]
    [InlineData("0A00000000")]
    public void A_network_that_is_none_refuses(string constraint) =>
        AssertRefused("not an address and a mask", Verify(Permitted(DerTree.Encode(0x87, Convert.FromHexString(constraint))), new CertificateRecipe()));

    [Theory]
    [InlineData("O=Acme", "CN=x, O=Acme", true)]
    [InlineData("O=Acme", "CN=x, OU=y, O=Acme", true)]
    [InlineData("O=Acme", "O=Acme", true)]
    [InlineData("O=Acme", "CN=x, O=Acme Inc", false)]
    [InlineData("O=Acme", "O=Acme, CN=x", false)]
    [InlineData("O=Acme", "CN=x, O=ACME", false)]
    [InlineData("OU=y, O=Acme", "CN=x, O=Acme", false)]
    public void A_permitted_directory_name_byte_for_byte(string constraint, string subject, bool isAllowed) =>
        AssertAllowed(isAllowed, Permitted(Directory(constraint)), Named(subject));

    [Theory]
    [InlineData("O=Acme", "CN=x, O=Acme", false)]
    [InlineData("O=Acme", "CN=x, O=ACME", false)]
    [InlineData("O=Acme Inc", "CN=x, O=\" acme   INC \"", false)]
    [InlineData("O=Acme", "CN=x, O=Other", true)]
    [InlineData("O=Acme", "CN=x, O=Bücher", false)]
    [InlineData("OU=y, O=Acme", "O=Acme", true)]
    public void An_excluded_directory_name_however_it_is_written(string constraint, string subject, bool isAllowed) =>
        AssertAllowed(isAllowed, Excluded(Directory(constraint)), Named(subject));

    [Fact]
    public void An_excluded_directory_name_in_another_string_type()
    {
        // O=Acme as PrintableString; the base library writes UTF8String where it must and PrintableString where it can.
        var constraint = Excluded(DerTree.Encode(0xA4, Convert.FromHexString("300F310D300B060355040A0C0441636D65")));
        AssertAllowed(false, constraint, Named("CN=x, O=Acme"));
    }

    [Fact]
    public void A_directory_name_among_the_alternative_names_is_held_to_them_too()
    {
        AssertAllowed(false, Permitted(Directory("O=Acme")), new CertificateRecipe { MoreNames = [Directory("CN=x, O=Other")] });
        AssertAllowed(true, Permitted(Directory("O=Acme")), new CertificateRecipe { MoreNames = [Directory("CN=x, O=Acme")] });
    }

    [Fact]
    public void An_empty_subject_is_no_directory_name() => AssertAllowed(true, Permitted(Directory("O=Acme")), new CertificateRecipe());

    [Fact]
    public void A_mail_constraint_refuses_only_who_has_a_mail_address()
    {
        var constraint = Permitted(Ia5(1, "example.org"));
        AssertAllowed(true, constraint, new CertificateRecipe());
        AssertRefused("not understood", Verify(constraint, new CertificateRecipe { MoreNames = [Ia5(1, "x@example.org")] }));
        AssertRefused("mail address", Verify(constraint, Named("E=x@example.org")));
    }

    [Fact]
    public void A_constraint_on_other_names_refuses_only_who_has_one()
    {
        byte[] otherName = [0xA0, 0x09, 0x06, 0x03, 0x2A, 0x03, 0x04, 0xA0, 0x02, 0x05, 0x00];
        AssertAllowed(true, Excluded(otherName), new CertificateRecipe());
        AssertRefused("not understood", Verify(Excluded(otherName), new CertificateRecipe { MoreNames = [otherName] }));
        AssertAllowed(true, Excluded(DerTree.Encode(0x88, [0x2A, 0x03])), new CertificateRecipe { MoreNames = [otherName] });
    }

    [Theory]
    [InlineData("3000", "constrain nothing")]
    [InlineData("3002A000", "an empty list of name constraints")]
    [InlineData("3002A100", "an empty list of name constraints")]
    [InlineData("300AA0083006860178800100", "a minimum or maximum")]
    [InlineData("300AA0083006860178810101", "a minimum or maximum")]
    [InlineData("3004A2023000", "not well-formed DER")]
    [InlineData("0500", "not well-formed DER")]
    [InlineData("300EA1053003860178A0053003860178", "not well-formed DER")]
    public void Constraints_that_cannot_be_read_refuse(string value, string reason) => AssertRefused(reason, Verify(Convert.FromHexString(value), new CertificateRecipe()));

    [Fact]
    public void They_hold_for_every_certificate_below()
    {
        var limited = Root.Issue(Constrained("limited", Permitted(Ia5(6, "example.org"))));
        var between = limited.Issue(CertificateRecipe.Authority("between") with { Uris = ["spiffe://other.org"] });
        AssertRefused("violates the name constraints", Verify(between.Issue(new CertificateRecipe()), between, limited));
        var good = limited.Issue(CertificateRecipe.Authority("good"));
        Assert.IsType<X509SvidVerification.Verified>(Verify(good.Issue(new CertificateRecipe()), good, limited));
    }

    [Fact]
    public void A_lower_authority_narrows_and_never_widens()
    {
        var limited = Root.Issue(Constrained("limited", Permitted(Ia5(6, "other.org"))));
        var wide = limited.Issue(Constrained("wide", Permitted(Ia5(6, "example.org"))) with { Uris = [] });
        AssertRefused("violates", Verify(wide.Issue(new CertificateRecipe()), wide, limited));
    }

    [Fact]
    public void They_do_not_hold_for_the_authority_that_carries_them() =>
        AssertAllowed(true, Permitted(Ia5(6, "example.org")), new CertificateRecipe());

    [Fact]
    public void A_self_issued_intermediate_is_left_out_and_the_leaf_is_not()
    {
        var limited = Root.Issue(Constrained("rolling", Permitted(Ia5(6, "example.org"))));
        var renewed = limited.Issue(CertificateRecipe.Authority("rolling") with { Uris = ["spiffe://elsewhere.org"] });
        Assert.IsType<X509SvidVerification.Verified>(Verify(renewed.Issue(new CertificateRecipe()), renewed, limited));
    }

    [Fact]
    public void Those_of_the_anchor_hold_too()
    {
        var root = ForgedCertificate.SelfSigned(Constrained("limited root", Permitted(Ia5(6, "other.org"))));
        AssertRefused("violates", X509SvidVerifier.Verify([root.Issue(new CertificateRecipe()).Der], new(root.AsBundle()), Now));
    }

    [Fact]
    public void Those_that_are_not_critical_hold_too()
    {
        var recipe = CertificateRecipe.Authority("lax") with { MoreExtensions = [(CertificateOids.NameConstraints, false, Permitted(Ia5(6, "other.org")))] };
        var signing = Root.Issue(recipe);
        AssertRefused("violates", Verify(signing.Issue(new CertificateRecipe()), signing));
    }

    [Fact]
    public void There_may_not_be_more_than_sixty_four() =>
        AssertRefused("more than 64", Verify(Permitted([.. Enumerable.Range(0, 65).Select(i => Ia5(6, $"h{i}"))]), new CertificateRecipe()));

    [Fact]
    public void Comparisons_are_bounded_over_the_whole_path()
    {
        var constraints = Permitted([.. Enumerable.Range(0, 64).Select(i => Ia5(2, i == 63 ? "" : $"h{i}.example.org"))]);
        var names = Enumerable.Range(0, 120).Select(i => $"{i}.x").ToArray();
        var (issuer, chain) = (Root, new List<ForgedCertificate>());
        for (var i = 0; i < 4; i++) chain.Insert(0, issuer = issuer.Issue(Constrained($"level {i}", constraints)));
        AssertRefused("too many comparisons", Verify([issuer.Issue(new CertificateRecipe { DnsNames = names }), .. chain]));
        Assert.IsType<X509SvidVerification.Verified>(Verify([chain[^1].Issue(new CertificateRecipe { DnsNames = names }), chain[^1]]));
    }

    /// <summary>Bytes that many write although their kind of text has them not, and that other libraries read.</summary>
    [Theory]
    [InlineData(0x13, "615F62")] // PrintableString with an underscore
    [InlineData(0x16, "61FF")]
    public void Text_in_a_subject_that_is_not_of_its_type_is_an_answer_and_no_fault(byte type, string text)
    {
        var leaf = LeafOf(NameWith(type, text));
        AssertAllowed(true, Permitted(Ia5(1, "example.org")), leaf);
        AssertAllowed(false, Excluded(Directory("CN=another")), leaf);
        AssertAllowed(false, Permitted(Directory("CN=another")), leaf);
        AssertAllowed(false, Excluded(DerTree.Encode(0xA4, NameWith(type, text))), Named("CN=another"));
    }

    [Theory]
    [InlineData(0x0C, "61FF")] // UTF8String that is none
    [InlineData(0x1E, "006100")] // BMPString of one and a half characters
    [InlineData(0x1E, "D800")]
    public void Text_that_nobody_can_read_is_refused_in_a_subject_and_in_a_constraint(byte type, string text)
    {
        foreach (var constraints in (byte[][])[Permitted(Ia5(1, "example.org")), Excluded(Directory("CN=another")), Permitted(Directory("CN=another"))])
            AssertRefused("not well-formed", Verify(constraints, LeafOf(NameWith(type, text))));
        AssertRefused("not well-formed", Verify(Excluded(DerTree.Encode(0xA4, NameWith(type, text))), Named("CN=another")));
    }

    private static byte[] NameWith(byte type, string text) =>
        DerTree.Encode(0x30, DerTree.Encode(0x31, DerTree.Encode(0x30, [0x06, 0x03, 0x55, 0x04, 0x03, .. DerTree.Encode(type, Convert.FromHexString(text))])));

    private static CertificateRecipe LeafOf(byte[] name) => new() { Subject = "replaced", SpoilSignedPart = tbs => tbs[5] = DerTree.Parse(name) };

    private static CertificateRecipe Named(string subject) => new()
    {
        Subject = "replaced",
        SpoilSignedPart = tbs => tbs[5] = DerTree.Parse(new X500DistinguishedName(subject).RawData),
    };

    private static CertificateRecipe Constrained(string name, byte[] constraints) =>
        CertificateRecipe.Authority(name) with { MoreExtensions = [(CertificateOids.NameConstraints, true, constraints)] };

    private static byte[] Permitted(params byte[][] bases) => Constraints(bases, []);

    private static byte[] Excluded(params byte[][] bases) => Constraints([], bases);

    private static byte[] Constraints(byte[][] permitted, byte[][] excluded)
    {
        byte[] first = permitted.Length == 0 ? [] : DerTree.Encode(0xA0, [.. permitted.SelectMany(name => DerTree.Encode(0x30, name))]);
        byte[] second = excluded.Length == 0 ? [] : DerTree.Encode(0xA1, [.. excluded.SelectMany(name => DerTree.Encode(0x30, name))]);
        return DerTree.Encode(0x30, [.. first, .. second]);
    }

    private static byte[] Ia5(int tag, string text)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        writer.WriteCharacterString(UniversalTagNumber.IA5String, text, new Asn1Tag(TagClass.ContextSpecific, tag));
        return writer.Encode();
    }

    private static byte[] Directory(string name) => DerTree.Encode(0xA4, new X500DistinguishedName(name).RawData);

    private static void AssertAllowed(bool isAllowed, byte[] constraints, CertificateRecipe leaf)
    {
        var verification = Verify(constraints, leaf);
        if (!isAllowed) AssertRefused("violates the name constraints", verification);
        else Assert.True(verification is X509SvidVerification.Verified, (verification as X509SvidVerification.Refused)?.Reason);
    }

    private static X509SvidVerification Verify(byte[] constraints, CertificateRecipe leaf)
    {
        var signing = Root.Issue(Constrained("limited", constraints));
        var trustDomain = leaf.Uris[0].Split('/')[2];
        return X509SvidVerifier.Verify([signing.Issue(leaf).Der, signing.Der], new TrustBundleSet(Root.AsBundle(trustDomain)), Now);
    }

    private static X509SvidVerification Verify(params ForgedCertificate[] chain) =>
        X509SvidVerifier.Verify([.. chain.Select(certificate => (ReadOnlyMemory<byte>)certificate.Der)], new TrustBundleSet(Root.AsBundle()), Now);

    private static void AssertRefused(string reason, X509SvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<X509SvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);
}
