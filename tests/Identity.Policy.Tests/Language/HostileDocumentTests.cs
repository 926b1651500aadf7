using System.Text;
using Identity.Testing.Platform;

namespace Identity.Policy.Tests.Language;

/// <summary>Documents that are written to be misread, or to cost.</summary>
public sealed class HostileDocumentTests
{
    [Fact]
    public void Refuses_100_MB_before_reading_any_of_it()
    {
        var text = new string('a', 100 << 20);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.False(PolicyParser.TryParse(text, out _, out var problems));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20, "what is refused unread costs nothing");
        Assert.Contains("larger than 1024 KiB", Assert.Single(problems).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_the_billion_laughs_at_the_first_anchor()
    {
        var bomb = new StringBuilder("kind: CapabilityPolicy\nname: p\na: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for (var level = 'b'; level <= 'i'; level++) bomb.Append($"{level}: &{level} [{string.Join(", ", Enumerable.Repeat($"*{(char)(level - 1)}", 9))}]\n");
        Assert.False(PolicyParser.TryParse(bomb.ToString(), out _, out var problems));
        Assert.Contains("the anchor '&a' is not allowed", Assert.Single(problems).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("- &x start", "anchor")]
    [InlineData("- *x", "alias")]
    [InlineData("- !!python/object/apply:os.system [id]", "tags")]
    [InlineData("- !custom start", "tags")]
    [InlineData("- { <<: { start: true } }", "merge keys")]
    public void Refuses_what_lets_one_place_change_another(string item, string why)
    {
        Assert.False(PolicyParser.TryParse($"kind: CapabilityPolicy\nname: p\nrules:\n- name: r\n  effect: permit\n  subjects: [{{ lattice: l }}]\n  capabilities:\n  {item}\n", out _, out var problems));
        Assert.Contains(problems, problem => problem.Text.Contains(why, StringComparison.Ordinal) && problem.Line == 8);
    }

    public static TheoryData<string, string> Lookalikes => new(LookAlikes.All);

    [Theory]
    [MemberData(nameof(Lookalikes))]
    public void Refuses_letters_that_look_like_others(string right, string wrong)
    {
        Assert.True(PolicyParser.TryParse(LookAlikes.Policy, out _, out _));
        Assert.Contains(right, LookAlikes.Policy, StringComparison.Ordinal);
        Assert.False(PolicyParser.TryParse(LookAlikes.Policy.Replace(right, wrong, StringComparison.Ordinal), out _, out var problems));
        // What is shown of it shows that it is none of ours.
        Assert.All(problems, problem => Assert.True(problem.Text.All(character => character is < '\u0080' or '…')));
    }

    [Theory]
    [InlineData("subjects: [{ spiffeId: spiffe://t/a, spiffeIdPrefix: spiffe://t/b }]", "nobody can be this subject: 'spiffe://t/a' is not under 'spiffe://t/b'; leave spiffeId or spiffeIdPrefix out, or change one")]
    [InlineData("subjects: [{ host: spiffe://t/h, hostPrefix: spiffe://u }]", "nobody can be this subject: the host 'spiffe://t/h' is not under 'spiffe://u'; leave host or hostPrefix out, or change one")]
    [InlineData("subjects: [{ image: a.io/b:1, imagePrefix: a.io/c }]", "nobody can be this subject: the image 'a.io/b:1' is not under 'a.io/c'; leave image or imagePrefix out, or change one")]
    [InlineData("expires: 2031-01-01T00:00:00Z", "is an exception and says why; add a 'reason'")]
    [InlineData("mode: shaddow", "'mode' must be one of enforce, off, shadow, warn, found 'shaddow'; did you mean 'shadow'?")]
    [InlineData("capabilities: [{ bucket: b, keys: a.>, access: [manage] }]", "'manage' is about the whole bucket")]
    [InlineData("capabilities: [natsRespond]", "says how often and how soon")]
    [InlineData("capabilities: [{ natsPublish: a, queue: q }]", "'queue' says nothing beside 'natsPublish'; it belongs to natsSubscribe")]
    [InlineData("capabilities: [{ stream: S, access: [raed] }]", "unknown access 'raed'; expected info, read, consume, purge, manage; did you mean 'read'?")]
    [InlineData("capabilities: [{ conect: \"a:1\" }]", "unknown field 'conect' in a capability; expected one of import, export")]
    public void Refuses_rules_that_could_never_do_what_they_say(string field, string why)
    {
        var fields = new Dictionary<string, string>
        {
            ["subjects"] = "subjects: [{ lattice: l }]",
            ["capabilities"] = "capabilities: [start]",
            [field[..field.IndexOf(':', StringComparison.Ordinal)]] = field,
        };
        Assert.False(PolicyParser.TryParse($"kind: CapabilityPolicy\nname: p\nrules:\n- name: r\n  effect: permit\n  {string.Join("\n  ", fields.Values)}\n", out _, out var problems));
        Assert.Contains(why, Assert.Single(problems).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_rule_that_has_ended_already_is_read()
    {
        var document = Samples.Document("kind: CapabilityPolicy\nname: p\nrules:\n- { name: r, effect: permit, subjects: [{ lattice: l }], capabilities: [start], expires: 2001-01-01T00:00:00Z, reason: long ago }\n");
        Assert.Equal("long ago", Assert.Single(document.Rules).Reason);
    }
}
