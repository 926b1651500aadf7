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

    [Theory]
    [InlineData("{ namespace: shop }", "{ namespace: shop }", true, false)]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a, namespace: shop }", "{ spiffeId: spiffe://example.org/a, namespace: shop }", true, false)]
    [InlineData("{ imagePrefix: ghcr.io/acme }", "{ image: \"ghcr.io/acme/shop:1.0\" }", true, false)]
    [InlineData("{ imagePrefix: ghcr.io/acme }", "{ imagePrefix: ghcr.io/acme2 }", false, false)]
    [InlineData("{ signer: acme }", "{ signer: acme, lattice: default }", true, false)]
    [InlineData("{ lattice: default }", "{ lattice: other }", false, false)]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a }", "{ spiffeId: spiffe://example.org/a, namespace: shop }", true, true)]
    public void A_forbid_is_held_in_only_by_what_every_door_knows(string bound, string subject, bool permit, bool forbid)
    {
        Assert.Equal(permit, Role($"[{bound}]").Covers(Document(subject), out _));
        Assert.Equal(forbid, Role($"[{bound}]").Covers(Document(subject, "forbid"), out _));
    }

    [Theory]
    [InlineData("team", "spiffe://example.org/a/b", true)]
    [InlineData("tier", "spiffe://example.org/a/b", false)]
    [InlineData("team", "spiffe://example.org/b", false)]
    public void A_label_is_assigned_when_the_role_names_it_and_covers_who_gets_it(string label, string subject, bool expected)
    {
        var source = $"labels: [{{ name: {label}, value: x, subjects: [{{ spiffeId: {subject} }}] }}]";
        Assert.Equal(expected, Role("[{ spiffeIdPrefix: spiffe://example.org/a }]\nlabels: [team]").Covers(Document("{ spiffeId: spiffe://example.org/a }", more: source), out _));
        Assert.False(Role("[{ spiffeIdPrefix: spiffe://example.org/a }]").Covers(Document("{ spiffeId: spiffe://example.org/a }", more: source), out _));
    }

    [Theory]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a }", "{ spiffeId: spiffe://example.org/a/b, namespace: shop }", true)]
    [InlineData("{ namespace: shop }", "{ namespace: shop }", false)]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a, namespace: shop }", "{ spiffeId: spiffe://example.org/a, namespace: shop }", false)]
    [InlineData("{ imagePrefix: ghcr.io/acme }", "{ image: \"ghcr.io/acme/shop:1.0\" }", false)]
    [InlineData("{ host: spiffe://example.org/h }", "{ host: spiffe://example.org/h }", false)]
    [InlineData("{ lattice: default }", "{ lattice: default }", false)]
    public void A_label_is_held_in_only_by_what_every_door_knows(string bound, string subject, bool expected)
    {
        var given = Document("{ spiffeId: spiffe://example.org/a, namespace: shop, lattice: default, host: spiffe://example.org/h, image: \"ghcr.io/acme/shop:1.0\" }", more: $"labels: [{{ name: team, value: x, subjects: [{subject}] }}]");
        Assert.Equal(expected, Role($"[{bound}]\nlabels: [team]").Covers(given, out var problem));
        if (!expected) Assert.Contains("gives the label 'team' to a subject", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ labels: { team: shop } }", "{ labels: { team: shop }, namespace: x }", true)]
    [InlineData("{ labels: { team: shop } }", "{ labels: { team: bank } }", false)]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/a }", "{ labels: { team: shop } }", false)]
    public void A_label_covers_only_itself(string bound, string subject, bool expected) =>
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

    [Theory]
    [InlineData('\r')]
    [InlineData('\u0085')]
    [InlineData('\u2028')]
    [InlineData('\u2029')]
    public void A_line_break_that_is_not_shown_as_one_hides_no_field(char hidden)
    {
        Assert.True(TryParse("subjects: any # whoever it is", out _));
        Assert.False(TryParse($"subjects: any # whoever it is{hidden}approvals: 0", out _));
        Assert.True(TryParse("subjects: any # whoever it is\r\napprovals: 0\r\n", out _));
    }

    [Fact]
    public void A_role_is_no_policy_and_a_policy_no_role()
    {
        var role = Role("any");
        Assert.False(PolicyParser.TryParse(role.Source, out _, out _));
        Assert.False(PolicyRole.TryParse(Document("{ spiffeId: spiffe://example.org/a }").Source, out _, out _));
    }

    [Fact]
    public void A_role_in_force_that_lists_a_subject_twice_is_still_read()
    {
        const string Old = "kind: PolicyRole\nname: r\nmembers: [unix:1000]\npolicies: ['*']\nsubjects: [{ lattice: l }, { lattice: l }]\n";
        Assert.False(PolicyRole.TryParse(Old, out _, out var problems));
        Assert.Equal("line 5, column 28: 'anyone in lattice l' is listed twice, first in line 5, column 12; leave one out", Assert.Single(problems).ToString());
        Assert.True(PolicyRole.TryParse(Old, out _, out _, isStored: true));
    }

    private static PolicyRole Role(string subjects) => TryParse($"subjects: {subjects}", out var role) ? role! : throw new InvalidOperationException(subjects);

    private static bool TryParse(string more, out PolicyRole? role) =>
        PolicyRole.TryParse($"kind: PolicyRole\nname: r\nmembers: [unix:1000]\npolicies: ['*']\n{more}", out role, out _);

    private static PolicyDocument Document(string subject, string effect = "permit", string more = "") =>
        PolicyParser.TryParse(
            $"kind: CapabilityPolicy\nname: p\nrules: [{{ name: a, effect: {effect}, subjects: [{subject}], capabilities: [start] }}]\n{more}", out var document, out _)
            ? document
            : throw new InvalidOperationException(subject);
}
