using Identity.Policy;

namespace Identity.Policy.Tests;

public sealed class PolicyRoleTests
{
    [Theory]
    [InlineData("shop", "shop", true)]
    [InlineData("shop", "shop.x", false)]
    [InlineData("shop", "shop2", false)]
    [InlineData("shop", "Shop", false)]
    [InlineData("shop.*", "shop.x", true)]
    [InlineData("shop.*", "shop.x.y", true)]
    [InlineData("shop.*", "shop", false)]
    [InlineData("shop.*", "shop.", false)]
    [InlineData("shop.*", "shopx", false)]
    [InlineData("shop.*", "shop2.x", false)]
    [InlineData("shop.*", "a.shop.x", false)]
    [InlineData("*", "anything", true)]
    public void A_pattern_means_whole_segments(string pattern, string name, bool expected)
    {
        Assert.True(PolicyNamePattern.TryParse(pattern, out var parsed, out _));
        Assert.Equal(expected, parsed.Matches(name));
    }

    [Theory]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a }", "{ spiffeId: spiffe://example.org/a/b }", true)]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a }", "{ spiffeIdPrefix: spiffe://example.org/a }", true)]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a }", "{ spiffeIdPrefix: spiffe://example.org/a/b, host: spiffe://example.org/h }", true)]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a }", "{ spiffeIdPrefix: spiffe://example.org }", false)]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a }", "{ spiffeIdPrefix: spiffe://example.org/ab }", false)]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a }", "{ host: spiffe://example.org/a }", false)]
    [InlineData("{ spiffeId: spiffe://example.org/a }", "{ spiffeId: spiffe://example.org/a }", true)]
    [InlineData("{ spiffeId: spiffe://example.org/a }", "{ spiffeIdPrefix: spiffe://example.org/a }", false)]
    [InlineData("{ hostPrefix: spiffe://example.org/h }", "{ host: spiffe://example.org/h/1 }", true)]
    [InlineData("{ hostPrefix: spiffe://example.org/h }", "{ spiffeId: spiffe://example.org/h/1 }", false)]
    [InlineData("{ hostPrefix: spiffe://example.org/h, spiffeIdPrefix: spiffe://example.org/a }", "{ spiffeId: spiffe://example.org/a }", false)]
    [InlineData("{ hostPrefix: spiffe://example.org/h, spiffeIdPrefix: spiffe://example.org/a }", "{ host: spiffe://example.org/h, spiffeId: spiffe://example.org/a }", true)]
    public void A_subject_is_covered_only_when_all_it_means_is(string bound, string subject, bool expected) =>
        Assert.Equal(expected, Role($"[{bound}]").Covers(Document(subject), out _));

    [Fact]
    public void Any_subject_is_said_in_so_many_words()
    {
        Assert.True(Role("any").Covers(Document("{ spiffeIdPrefix: spiffe://example.org }"), out _));
        Assert.False(TryParse("subjects: []", out _));
        Assert.False(TryParse("subjects: [{}]", out _));
        Assert.False(TryParse("subjects: all", out _));
        Assert.False(TryParse("", out _));
    }

    [Theory]
    [InlineData("subjects: any\napprovals: -1")]
    [InlineData("subjects: any\napprovals: 17")]
    [InlineData("subjects: any\napprovals: two")]
    [InlineData("subjects: any\napproval: 1")]
    [InlineData("subjects: any\nlabels: [\"a b\"]")]
    [InlineData("subjects: any\nmembers: [unix:1]")]
    public void Refuses_what_it_does_not_know(string more) => Assert.False(TryParse(more, out _));

    [Fact]
    public void A_role_is_no_policy_and_a_policy_no_role()
    {
        var role = Role("any");
        Assert.False(PolicyParser.TryParse(role.Source, out _, out _));
        Assert.False(PolicyRole.TryParse(Document("{ spiffeId: spiffe://example.org/a }").Source, out _, out _));
    }

    private static PolicyRole Role(string subjects) => TryParse($"subjects: {subjects}", out var role) ? role! : throw new InvalidOperationException(subjects);

    private static bool TryParse(string more, out PolicyRole? role) =>
        PolicyRole.TryParse($"kind: PolicyRole\nname: r\nmembers: [unix:1000]\npolicies: ['*']\n{more}", out role, out _);

    private static PolicyDocument Document(string subject) =>
        PolicyParser.TryParse(
            $"kind: CapabilityPolicy\nname: p\nrules: [{{ name: a, effect: permit, subjects: [{subject}], capabilities: [start] }}]", out var document, out _)
            ? document
            : throw new InvalidOperationException(subject);
}
