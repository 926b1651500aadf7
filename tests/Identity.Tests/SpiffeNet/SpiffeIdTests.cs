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
    [Trait("rule", "SID-01")]
    [Trait("rule", "SID-02")]
    [Trait("rule", "SID-03")]
    [Trait("rule", "SID-04")]
    [Trait("rule", "SID-05")]
    [Trait("rule", "SID-06")]
    [Trait("rule", "SID-07")]
    [Trait("rule", "SID-08")]
    [Trait("rule", "SID-10")]
    [Trait("rule", "SID-12")]
    [Trait("rule", "SID-13")]
    [Trait("rule", "SID-14")]
    [Trait("rule", "SID-15")]
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
    [Trait("rule", "SID-11")]
    [Trait("rule", "SID-13")]
    [Trait("rule", "SID-14")]
    public void Accepts_what_the_specification_allows(string text, string trustDomain, string path)
    {
        var id = SpiffeId.Parse(text);
        Assert.Equal(trustDomain, id.TrustDomain.Name);
        Assert.Equal(path, id.Path);
        Assert.Equal(path.Length > 0, id.HasPath);
        Assert.Equal(text, id.ToString());
    }

    [Fact]
    [Trait("rule", "SID-08")]
    [Trait("rule", "SID-09")]
    [Trait("rule", "SID-10")]
    public void Allows_exactly_the_bytes_of_the_specification_wherever_they_stand_in_a_trust_domain()
    {
        foreach (var character in EveryCharacterBut('/'))
        {
            foreach (var name in new[] { $"{character}", $"{character}td", $"t{character}d", $"td{character}" })
            {
                var isAllowed = InTrustDomain.Contains(character);
                Assert.True(isAllowed == SpiffeId.TryParse($"spiffe://{name}/x", out _, out _), $"character {(int)character} in {name}");
                Assert.True(isAllowed == SpiffeId.TryParse($"spiffe://{name}", out _, out _), $"character {(int)character} in {name}, without path");
                Assert.True(isAllowed == TrustDomain.TryParse(name, out _, out _), $"character {(int)character} in the bare {name}");
            }
        }
    }

    [Fact]
    [Trait("rule", "SID-12")]
    [Trait("rule", "SID-15")]
    public void Allows_exactly_the_bytes_of_the_specification_wherever_they_stand_in_a_path_segment()
    {
        foreach (var character in EveryCharacterBut('/'))
        {
            foreach (var segment in new[] { $"{character}", $"{character}y", $"x{character}y", $"x{character}" })
            {
                var isAllowed = InPath.Contains(character) && segment != ".";
                Assert.True(isAllowed == SpiffeId.TryParse($"spiffe://td/{segment}", out _, out _), $"character {(int)character} in {segment}");
                Assert.True(isAllowed == SpiffeId.TryParse($"spiffe://td/a/{segment}/b", out _, out _), $"character {(int)character} in {segment}, between others");
            }
        }
    }

    [Fact]
    [Trait("rule", "SID-09")]
    [Trait("rule", "SID-15")]
    public void Allows_no_character_beyond_ASCII()
    {
        for (var value = 256; value <= char.MaxValue; value++)
        {
            Assert.False(TrustDomain.TryParse($"t{(char)value}d", out _, out _));
            Assert.False(SpiffeId.TryParse($"spiffe://td/x{(char)value}", out _, out _));
        }
    }

    [Theory]
    [InlineData(2036, true)]
    [InlineData(2037, false)]
    [Trait("rule", "SID-16")]
    public void Counts_all_components_of_an_ID_however_they_are_divided(int rest, bool isAllowed)
    {
        // 12 bytes are spiffe://td/; the rest is one segment, or a segment for every two bytes, or lies behind the longest trust domain.
        var segments = string.Concat(Enumerable.Repeat("/x", 1 + (rest / 2)))[..(rest + 1)];
        Assert.Equal(isAllowed && !segments.EndsWith('/'), SpiffeId.TryParse($"spiffe://td{segments}", out _, out _));
        Assert.Equal(isAllowed, SpiffeId.TryParse($"spiffe://{new string('t', 255)}/{new string('x', rest - 253)}", out _, out _));
    }

    [Theory]
    [Trait("rule", "SID-17")]
    [InlineData(2036, true)]
    [InlineData(2037, false)]
    public void Is_not_made_longer_than_peers_must_read(int segment, bool isAllowed)
    {
        var domain = TrustDomain.Parse("td");
        if (isAllowed) Assert.Equal(SpiffeId.MaxLength, SpiffeId.FromSegments(domain, new string('x', segment)).ToString().Length);
        else Assert.Throws<FormatException>(() => SpiffeId.FromSegments(domain, new string('x', segment)));
    }

    [Theory]
    [InlineData(2048, true)]
    [InlineData(2049, false)]
    [Trait("rule", "SID-16")]
    public void Holds_IDs_of_up_to_2048_bytes(int length, bool isAllowed) =>
        Assert.Equal(isAllowed, SpiffeId.TryParse("spiffe://td/" + new string('x', length - "spiffe://td/".Length), out _, out _));

    [Theory]
    [InlineData(255, true)]
    [InlineData(256, false)]
    [Trait("rule", "SID-18")]
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
    [Trait("rule", "SID-19")]
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

    private static IEnumerable<char> EveryCharacterBut(char separator) => Enumerable.Range(0, 256).Select(value => (char)value).Where(character => character != separator);

    [Fact]
    public void A_refusal_quotes_little_of_what_cannot_be_shown()
    {
        var hostile = $"spiffe://td{new string('\u0002', 90)}//{new string('\u202e', 90)}";
        Assert.False(SpiffeId.TryParse(hostile, out _, out var problem));
        Assert.InRange(problem.Length, 1, 512);
        Assert.All(problem, character => Assert.True(character is (>= ' ' and <= '~') or '…'));
    }
}
