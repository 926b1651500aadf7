using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class SpiffeIdTests
{
    private const string InTrustDomain = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
    private const string InPath = InTrustDomain + "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    public static TheoryData<string, string> Refused => new()
    {
        { "", "empty" },
        { "spiffe", "does not start with spiffe://" },
        { "spiffe:/td", "does not start with spiffe://" },
        { "https://td/x", "does not start with spiffe://" },
        { "Spiffe://td/x", "does not start with spiffe://" },
        { "SPIFFE://td/x", "does not start with spiffe://" },
        { "spiffe://", "the trust domain is empty" },
        { "spiffe:///x", "the trust domain is empty" },
        { "spiffe://TD/x", "\"T\"" },
        { "spiffe://td/", "ends in '/'" },
        { "spiffe://td//x", "empty segment" },
        { "spiffe://td/x/", "ends in '/'" },
        { "spiffe://td/x//y", "empty segment" },
        { "spiffe://td/.", "relative" },
        { "spiffe://td/./x", "relative" },
        { "spiffe://td/../x", "relative" },
        { "spiffe://td/x/..", "relative" },
        { "spiffe://td?q", "\"?\"" },
        { "spiffe://td/x?q", "\"?\"" },
        { "spiffe://td#f", "\"#\"" },
        { "spiffe://td/x#f", "\"#\"" },
        { "spiffe://u@td/x", "\"@\"" },
        { "spiffe://u:p@td/x", "\":\"" },
        { "spiffe://td:1/x", "\":\"" },
        { "spiffe://[::1]/x", "\"[\"" },
        { "spiffe://t%64/x", "\"%\"" },
        { "spiffe://td/%41", "\"%\"" },
        { "spiffe://td/x y", "\" \"" },
        { " spiffe://td/x", "does not start with spiffe://" },
        { "spiffe://td/x\n", "\"\\u000a\"" },
        { "spiffe://td/x\0", "\"\\u0000\"" },
        { "spiffe://td/ä", "\"\\u00e4\"" },
        { "spiffe://ｔd/x", "\"\\uff54\"" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Refuses_what_the_specification_forbids_and_says_what_is_wrong(string text, string expectedReason)
    {
        Assert.False(SpiffeId.TryParse(text, out var id, out var problem));
        Assert.Null(id);
        Assert.Contains(expectedReason, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("spiffe://td", "td", "")]
    [InlineData("spiffe://127.0.0.1/x", "127.0.0.1", "/x")]
    [InlineData("spiffe://a_b.c-d/X_y.z-0", "a_b.c-d", "/X_y.z-0")]
    [InlineData("spiffe://td/...", "td", "/...")]
    [InlineData("spiffe://td/.x/x..", "td", "/.x/x..")]
    [InlineData("spiffe://example.org/ns/default/sa/greeter", "example.org", "/ns/default/sa/greeter")]
    public void Accepts_what_the_specification_allows(string text, string trustDomain, string path)
    {
        var id = SpiffeId.Parse(text);
        Assert.Equal(trustDomain, id.TrustDomain.Name);
        Assert.Equal(path, id.Path);
        Assert.Equal(path.Length > 0, id.HasPath);
        Assert.Equal(text, id.ToString());
    }

    [Fact]
    public void Allows_exactly_the_bytes_of_the_specification_in_a_trust_domain()
    {
        for (var value = 0; value < 256; value++)
        {
            var character = (char)value;
            if (character == '/') continue;
            Assert.Equal(InTrustDomain.Contains(character), SpiffeId.TryParse($"spiffe://t{character}d/x", out _, out _));
            Assert.Equal(InTrustDomain.Contains(character), TrustDomain.TryParse($"t{character}d", out _, out _));
        }
    }

    [Fact]
    public void Allows_exactly_the_bytes_of_the_specification_in_a_path_segment()
    {
        for (var value = 0; value < 256; value++)
        {
            var character = (char)value;
            if (character == '/') continue;
            Assert.Equal(InPath.Contains(character), SpiffeId.TryParse($"spiffe://td/x{character}y", out _, out _));
        }
    }

    [Theory]
    [InlineData(2048, true)]
    [InlineData(2049, false)]
    public void Holds_IDs_of_up_to_2048_bytes(int length, bool isAllowed) =>
        Assert.Equal(isAllowed, SpiffeId.TryParse("spiffe://td/" + new string('x', length - "spiffe://td/".Length), out _, out _));

    [Theory]
    [InlineData(255, true)]
    [InlineData(256, false)]
    public void Holds_trust_domains_of_up_to_255_bytes(int length, bool isAllowed)
    {
        Assert.Equal(isAllowed, SpiffeId.TryParse($"spiffe://{new string('x', length)}/y", out _, out _));
        Assert.Equal(isAllowed, TrustDomain.TryParse(new string('x', length), out _, out _));
    }

    [Fact]
    public void Refuses_null() => Assert.False(SpiffeId.TryParse(null, out _, out _));

    [Fact]
    public void Parse_throws_with_the_same_explanation()
    {
        Assert.False(SpiffeId.TryParse("spiffe://td/x y", out _, out var problem));
        Assert.Equal(problem, Assert.Throws<FormatException>(() => SpiffeId.Parse("spiffe://td/x y")).Message);
    }

    [Fact]
    public void A_problem_never_repeats_more_than_a_line_of_foreign_text() =>
        Assert.True(!SpiffeId.TryParse("spiffe://td/" + new string('%', 2000), out _, out var problem) && problem.Length < 400);

    [Fact]
    public void Splits_its_path_into_segments()
    {
        Assert.Equal(["ns", "default", "sa", "x"], SpiffeId.Parse("spiffe://td/ns/default/sa/x").Segments);
        Assert.Empty(SpiffeId.Parse("spiffe://td").Segments);
    }

    [Fact]
    public void Joins_segments_below_a_trust_domain()
    {
        var domain = TrustDomain.Parse("td");
        Assert.Equal(SpiffeId.Parse("spiffe://td/a/b"), SpiffeId.FromSegments(domain, "a", "b"));
        Assert.Equal(domain.Id, SpiffeId.FromSegments(domain));
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("%41")]
    public void Does_not_join_a_segment_that_is_not_one(string segment) =>
        Assert.Throws<FormatException>(() => SpiffeId.FromSegments(TrustDomain.Parse("td"), "a", segment));

    [Fact]
    public void Is_equal_by_text_and_respects_case_in_the_path()
    {
        Assert.Equal(SpiffeId.Parse("spiffe://td/x"), SpiffeId.Parse("spiffe://td/x"));
        Assert.True(SpiffeId.Parse("spiffe://td/x") == SpiffeId.Parse("spiffe://td/x"));
        Assert.NotEqual(SpiffeId.Parse("spiffe://td/x"), SpiffeId.Parse("spiffe://td/X"));
        Assert.True(SpiffeId.Parse("spiffe://td/x") != SpiffeId.Parse("spiffe://td.x/x"));
    }

    [Fact]
    public void Belongs_to_its_trust_domain_only()
    {
        var id = SpiffeId.Parse("spiffe://example.org/x");
        Assert.True(id.IsMemberOf(TrustDomain.Parse("example.org")));
        Assert.False(id.IsMemberOf(TrustDomain.Parse("example.or")));
        Assert.False(id.IsMemberOf(TrustDomain.Parse("a.example.org")));
    }
}
