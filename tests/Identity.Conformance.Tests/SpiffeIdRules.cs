using Spiffe.Net;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>SPIFFE-ID §2 as vectors: each row names the rule it shows and a word of the refusal, so that none is refused for another reason.</summary>
public sealed class SpiffeIdRules
{
    private const string TrustDomainBytes = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
    private const string SegmentBytes = TrustDomainBytes + "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    public static IEnumerable<TheoryDataRow<string, string>> Forbidden =>
    [
        Rule.Row("SID-01", "", "empty"),
        Rule.Row("SID-01", "spiffe:/td", "does not start with spiffe://"),
        Rule.Row("SID-01", "https://td/x", "does not start with spiffe://"),
        Rule.Row("SID-01", "spiffes://td/x", "does not start with spiffe://"),
        Rule.Row("SID-01", "//td/x", "does not start with spiffe://"),
        Rule.Row("SID-19", "Spiffe://td/x", "does not start with spiffe://"),
        Rule.Row("SID-02", "spiffe://", "the trust domain is empty"),
        Rule.Row("SID-05", "spiffe:///x", "the trust domain is empty"),
        Rule.Row("SID-03", "spiffe://td/x?q", "\"?\""),
        Rule.Row("SID-03", "spiffe://td?q", "\"?\""),
        Rule.Row("SID-03", "spiffe://td/x?", "\"?\""),
        Rule.Row("SID-04", "spiffe://td/x#f", "\"#\""),
        Rule.Row("SID-04", "spiffe://td#", "\"#\""),
        Rule.Row("SID-06", "spiffe://u@td/x", "\"@\""),
        Rule.Row("SID-06", "spiffe://@td/x", "\"@\""),
        Rule.Row("SID-07", "spiffe://td:1/x", "\":\""),
        Rule.Row("SID-07", "spiffe://td:/x", "\":\""),
        Rule.Row("SID-08", "spiffe://TD/x", "\"T\""),
        Rule.Row("SID-08", "spiffe://tD/x", "\"D\""),
        Rule.Row("SID-09", "spiffe://t~d/x", "\"~\""),
        Rule.Row("SID-09", "spiffe://bücher/x", "\"\\u00fc\""),
        Rule.Row("SID-10", "spiffe://t%64/x", "\"%\""),
        Rule.Row("SID-11", "spiffe://[::1]/x", "\"[\""),
        Rule.Row("SID-12", "spiffe://td/%41", "\"%\""),
        Rule.Row("SID-13", "spiffe://td//x", "empty segment"),
        Rule.Row("SID-13", "spiffe://td/x//y", "empty segment"),
        Rule.Row("SID-13", "spiffe://td/./x", "relative"),
        Rule.Row("SID-13", "spiffe://td/../x", "relative"),
        Rule.Row("SID-13", "spiffe://td/x/..", "relative"),
        Rule.Row("SID-13", "spiffe://td/x/.", "relative"),
        Rule.Row("SID-14", "spiffe://td/", "ends in '/'"),
        Rule.Row("SID-14", "spiffe://td/x/", "ends in '/'"),
        Rule.Row("SID-15", "spiffe://td/x y", "\" \""),
        Rule.Row("SID-15", "spiffe://td/x:y", "\":\""),
        Rule.Row("SID-15", "spiffe://td/x\\y", "\"\\u005c\""),
        Rule.Row("SID-15", "spiffe://td/é", "\"\\u00e9\""),
        Rule.Row("SID-17", "spiffe://td/" + new string('x', 2037), "at most 2048"),
        Rule.Row("SID-18", $"spiffe://{new string('x', 256)}/y", "at most 255"),
    ];

    public static IEnumerable<TheoryDataRow<string, string>> Allowed =>
    [
        Rule.Row("SID-14", "spiffe://td", "td"),
        Rule.Row("SID-11", "spiffe://127.0.0.1/x", "127.0.0.1"),
        Rule.Row("SID-11", "spiffe://256.0.0.1/x", "256.0.0.1"),
        Rule.Row("SID-11", "spiffe://-._-/x", "-._-"),
        Rule.Row("SID-09", "spiffe://a_b.c-d/X_y.z-0", "a_b.c-d"),
        Rule.Row("SID-13", "spiffe://td/...", "td"),
        Rule.Row("SID-13", "spiffe://td/.x/x..", "td"),
        Rule.Row("SID-16", "spiffe://td/" + new string('x', 2036), "td"),
        Rule.Row("SID-18", $"spiffe://{new string('x', 255)}/y", new string('x', 255)),
    ];

    [Theory]
    [MemberData(nameof(Forbidden))]
    public void Is_refused(string text, string reason)
    {
        Assert.False(SpiffeId.TryParse(text, out _, out var problem));
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Allowed))]
    public void Is_accepted_as_it_is_written(string text, string trustDomain)
    {
        Assert.True(SpiffeId.TryParse(text, out var id, out var problem), problem);
        Assert.Equal(trustDomain, id.TrustDomain.Name);
        Assert.Equal(text, id.ToString());
    }

    // As go-spiffe's spiffeid/id_test.go: every byte, at both places.
    [Fact]
    [Trait(Rule.Trait, "SID-09")]
    [Trait(Rule.Trait, "SID-15")]
    public void Exactly_the_listed_bytes_are_accepted_in_a_trust_domain_and_in_a_path()
    {
        foreach (var character in Enumerable.Range(0, 256).Select(value => (char)value).Where(character => character != '/'))
        {
            Assert.Equal(TrustDomainBytes.Contains(character), SpiffeId.TryParse($"spiffe://{character}/x", out _, out _));
            // A lone dot is a relative segment, so the byte stands between others.
            Assert.Equal(SegmentBytes.Contains(character), SpiffeId.TryParse($"spiffe://td/a{character}b", out _, out _));
        }
    }

    [Fact]
    [Trait(Rule.Trait, "SID-19")]
    public void Paths_that_differ_in_case_are_different_IDs() =>
        Assert.NotEqual(SpiffeId.Parse("spiffe://td/x"), SpiffeId.Parse("spiffe://td/X"));

    [Fact]
    [Trait(Rule.Trait, "SID-21")]
    public void The_ID_of_a_trust_domain_has_no_path() => Assert.Equal("spiffe://td", TrustDomain.Parse("td").Id.ToString());
}
