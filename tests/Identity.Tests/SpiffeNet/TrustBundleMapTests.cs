using System.Text;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class TrustBundleMapTests
{
    private const string Numbers = "\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"";
    private const string Bundle = "{\"spiffe_sequence\":3,\"spiffe_refresh_hint\":60,\"keys\":[{\"kty\":\"EC\",\"use\":\"jwt-svid\",\"kid\":\"a\"," + Numbers + "}]}";

    [Fact]
    [Trait("rule", "TDB-15")]
    public void Reads_bundles_by_the_names_of_their_trust_domains()
    {
        var bundles = Parse("{\"trust_domains\":{\"example.org\":" + Bundle + ",\"other.org\":{\"keys\":[]}},\"extra\":1}");
        Assert.Equal(2, bundles.Bundles.Count);
        Assert.True(bundles.TryGet(TrustDomain.Parse("example.org"), out var bundle));
        Assert.Equal(3ul, bundle.SequenceNumber);
        Assert.Single(bundle.JwtAuthorities);
        Assert.Empty(Parse("{\"trust_domains\":{}}").Bundles);
    }

    [Fact]
    [Trait("rule", "TDB-15")]
    [Trait("rule", "TDB-17")]
    public void Writes_what_it_reads_without_refresh_hints()
    {
        Assert.True(TrustBundle.TryParse(TrustDomain.Parse("example.org"), Encoding.UTF8.GetBytes(Bundle), out var bundle, out _));
        var json = Encoding.UTF8.GetString(new TrustBundleSet(bundle).ToMapJson());
        Assert.StartsWith("{\"trust_domains\":{\"example.org\":{\"keys\":[", json, StringComparison.Ordinal);
        Assert.DoesNotContain("refresh_hint", json, StringComparison.Ordinal);
        Assert.True(Parse(json).TryGet(bundle.TrustDomain, out var read));
        Assert.True(read.HasSameAuthorities(bundle));
        Assert.Equal(3ul, read.SequenceNumber);
        Assert.Equal("{\"trust_domains\":{}}", Encoding.UTF8.GetString(TrustBundleSet.Empty.ToMapJson()));
    }

    [Theory]
    [InlineData("60")]
    [InlineData("\"soon\"")]
    [Trait("rule", "TDB-17")]
    public void Ignores_a_refresh_hint_inside(string hint)
    {
        var bundles = Parse("{\"trust_domains\":{\"example.org\":{\"keys\":[],\"spiffe_refresh_hint\":" + hint + "}}}");
        Assert.Null(bundles.Bundles.Single().RefreshHint);
    }

    public static IEnumerable<TheoryDataRow<string, string>> Bad =>
    [
        Row("TDB-16", "{\"trust_domains\":{\"example.org\":" + Bundle + ",\"example.org\":" + Bundle + "}}", "twice"),
        Row("TDB-16", "{\"trust_domains\":{\"example.org\":" + Bundle + ",\"\\u0065xample.org\":" + Bundle + "}}", "twice"),
        Row("TDB-16", "{\"trust_domains\":{},\"trust_domains\":{}}", "twice"),
        Row("TDB-15", "{}", "no object \"trust_domains\""),
        Row("TDB-15", "{\"trust_domains\":[]}", "no object"),
        Row("TDB-15", "[]", "not a JSON object"),
        Row("TDB-15", "{\"trust_domains\":{\"spiffe://example.org\":" + Bundle + "}}", "spiffe://example.org"),
        Row("TDB-15", "{\"trust_domains\":{\"Example.org\":" + Bundle + "}}", "Example.org"),
        Row("TDB-15", "{\"trust_domains\":{\"\":" + Bundle + "}}", "member"),
        Row("TDB-19", "{\"trust_domains\":{\"example.org\":" + Bundle + ",\"other.org\":{}}}", "other.org"),
        Row("TDB-19", "{\"trust_domains\":{\"example.org\":" + Bundle + ",\"other.org\":null}}", "other.org"),
        Row("TDB-19", "{\"trust_domains\":{\"example.org\":" + Bundle + ",\"other.org\":{\"keys\":[7]}}}", "key 1"),
    ];

    [Theory]
    [MemberData(nameof(Bad))]
    public void Refuses_the_whole_of_a_map_such_as(string json, string reason)
    {
        Assert.False(TrustBundleSet.TryParseMap(Encoding.UTF8.GetBytes(json), out var bundles, out var problem));
        Assert.Null(bundles);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Size_and_number_are_bounded()
    {
        var many = string.Join(',', Enumerable.Range(0, 1025).Select(i => $"\"d{i}.example\":{{\"keys\":[]}}"));
        Assert.False(TrustBundleSet.TryParseMap(Encoding.UTF8.GetBytes("{\"trust_domains\":{" + many + "}}"), out _, out var tooMany));
        Assert.Contains("1025 trust domains", tooMany, StringComparison.Ordinal);
        Assert.False(TrustBundleSet.TryParseMap(new byte[TrustBundleSet.MaxMapLength + 1], out _, out var tooLong));
        Assert.Contains("at most", tooLong, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("rule", "TDB-03")]
    public void A_set_holds_one_bundle_for_each_trust_domain()
    {
        Assert.True(TrustBundle.TryParse(TrustDomain.Parse("example.org"), Encoding.UTF8.GetBytes(Bundle), out var bundle, out _));
        Assert.ThrowsAny<ArgumentException>(() => new TrustBundleSet(bundle, bundle));
        Assert.Single(new TrustBundleSet(bundle).With(bundle).Bundles);
        Assert.Empty(new TrustBundleSet(bundle).Without(bundle.TrustDomain).Bundles);
    }

    private static TheoryDataRow<string, string> Row(string rule, string json, string reason) =>
        new TheoryDataRow<string, string>(json, reason).WithTrait("rule", rule);

    private static TrustBundleSet Parse(string json) =>
        TrustBundleSet.TryParseMap(Encoding.UTF8.GetBytes(json), out var bundles, out var problem) ? bundles : throw new FormatException(problem);
}
