using CsCheck;
using Identity.Policy.Tests.Analysis;

namespace Identity.Policy.Tests.Language;

/// <summary>What rules in modes shadow and warn say about the rights that a NATS login carries.</summary>
public sealed class NatsNotesTests
{
    private static readonly string IsGreeter = $"spiffeId: {Samples.Greeter}";
    private static readonly Principal Greeter = Principal.Process(Samples.Greeter);

    // Without an orders.* to subscribe to, which nats-server takes for more than it says.
    private static readonly string[] Patterns =
    [
        "natsPublish a.b", "natsPublish a.*", "natsPublish a.>", "natsPublish a.*.d", "natsPublish c",
        "natsSubscribe a.b", "natsSubscribe a.b q", "natsSubscribe a.>", "natsSubscribe a.> q", "natsSubscribe c p",
    ];

    private static readonly string[] Things =
    [
        "natsPublish a.b", "natsPublish a.c", "natsPublish a.b.d", "natsPublish a.b.e", "natsPublish c",
        "natsSubscribe a.b", "natsSubscribe a.b q", "natsSubscribe a.b p", "natsSubscribe a.c", "natsSubscribe a.c q", "natsSubscribe c", "natsSubscribe c p",
    ];

    private static readonly Gen<PolicyRule[]> Rules = Gen.Select(Gen.Int[0, Patterns.Length - 1], Gen.Bool, Gen.Int[0, 4], (pattern, permits, mode) => new PolicyRule
    {
        Name = "unnamed",
        Effect = permits ? RuleEffect.Permit : RuleEffect.Forbid,
        Mode = mode switch { 0 => RuleMode.Shadow, 1 => RuleMode.Warn, _ => RuleMode.Enforce },
        Subjects = [new PolicySubject { SpiffeId = Samples.Greeter }],
        Capabilities = [Capability.Parse(Patterns[pattern])],
    }).Array[1, 7].Select(rules => rules.Select((rule, number) => rule with { Name = $"r{number}" }).ToArray());

    [Fact]
    public void Forbids_in_mode_warn_without_end_make_one_note_and_no_work()
    {
        var forbids = Enumerable.Range(0, 5_000).Select(number => ("forbid, mode: warn", IsGreeter, $"{{ natsPublish: a.b{number} }}"));
        var policy = Samples.Policy(Samples.Source([("permit", IsGreeter, "{ natsPublish: a.> }"), .. forbids]));

        var notes = NatsNotes.About(policy, Greeter, Samples.Now);
        Assert.Empty(notes.Shadow);
        Assert.Equal("nats login", Assert.Single(notes.Warnings).Capability);
    }

    [Fact]
    public void Each_subject_is_lost_gained_or_warned_of_as_the_decision_about_it_says() => Cases.Each(Rules, Cases.Times(2000), rules =>
    {
        var policy = CapabilityPolicy.Create([new PolicyDocument { Name = "p", Rules = [.. rules], Source = "" }], 1);
        var notes = NatsNotes.About(policy, Greeter, Samples.Now);
        foreach (var thing in Things.Select(CapabilityRequest.Parse))
        {
            var decision = PolicyDecision.Decide(policy, Greeter, thing, Samples.Now);
            if (decision.Allowed)
            {
                Assert.Equal(decision.ShadowAllowed == false, notes.Shadow.Any(note => !note.WouldAllow && Means(note.Capability, thing)));
                var isObjected = decision.Warning is { } rule && rule != decision.Determining;
                Assert.Equal(isObjected, notes.Warnings.Any(note => !note.IsPermit && Means(note.Capability, thing)));
                if (decision.Warned && !isObjected) Assert.Contains(notes.Warnings, note => note.IsPermit && Means(note.Capability, thing));
            }
            else if (decision.ShadowAllowed == true)
            {
                Assert.Contains(notes.Shadow, note => note.WouldAllow && Means(note.Capability, thing));
            }
        }

        Assert.All(notes.Shadow, note => Assert.Equal(RuleMode.Shadow, RuleOf(note.Rule).Mode));
        Assert.All(notes.Shadow.Where(note => note.WouldAllow), note => Assert.Equal(RuleEffect.Permit, RuleOf(note.Rule).Effect));
        Assert.All(notes.Warnings, note => Assert.Equal((RuleMode.Warn, note.IsPermit), (RuleOf(note.Rule).Mode, RuleOf(note.Rule).Effect == RuleEffect.Permit)));

        PolicyRule RuleOf(RuleReference reference) => Assert.Single(rules, rule => rule.Name == reference.Rule);
    });

    [Theory]
    // What is had, what a shadow forbid says, what of it would be lost.
    [InlineData("{ natsPublish: orders.> }", "{ natsPublish: orders.*.paid }", "natsPublish orders.*.paid")]
    [InlineData("{ natsPublish: orders.*.paid }", "{ natsPublish: orders.eu.> }", "natsPublish orders.eu.paid")]
    [InlineData("{ natsSubscribe: orders.> }", "{ natsSubscribe: orders.new, queue: workers }", "natsSubscribe orders.new workers")]
    [InlineData("{ natsPublish: a.b }, { natsRespond: { max: 1, within: 1m } }", "natsRespond", "natsRespond 1 1m")]
    [InlineData("{ stream: ORDERS, access: [read, info] }", "{ stream: ORDERS, access: [read, purge] }", "stream ORDERS read")]
    [InlineData("{ stream: KV_settings, access: [purge] }", "{ bucket: settings, access: [write] }", "stream KV_settings purge")]
    [InlineData("{ natsPublish: a.b }", "{ natsSubscribe: _INBOX.> }", "natsSubscribe INBOX.>")]
    [InlineData("{ natsPublish: a.b }", "{ natsPublish: a.c }", null)]
    [InlineData("{ natsPublish: a.b }", "{ natsSubscribe: a.b }", null)]
    public void A_forbid_in_mode_shadow_says_what_of_the_login_would_be_lost(string had, string forbidden, string? lost)
    {
        var notes = About(("permit", "enforce", had), ("forbid", "shadow", forbidden));
        lost = lost?.Replace("INBOX", NatsPermissions.InboxPrefixOf(Samples.Greeter), StringComparison.Ordinal);
        Assert.Equal(lost is null ? [] : [new ShadowOutcome(lost, new RuleReference("sample", "rule-1"), WouldAllow: false)], notes.Shadow);
        Assert.Empty(notes.Warnings);
    }

    [Fact]
    public void What_an_enforced_forbid_takes_already_is_not_lost_again()
    {
        var notes = About(("permit", "enforce", "{ natsPublish: orders.> }"), ("forbid", "enforce", "{ natsPublish: orders.old.> }"), ("forbid", "shadow", "{ natsPublish: orders.old.eu }"));
        Assert.Empty(notes.Shadow);
    }

    [Fact]
    public void Modes_warn_are_told_as_warnings()
    {
        var notes = About(("permit", "warn", "{ natsPublish: a.> }"), ("permit", "enforce", "{ natsPublish: a.b }"), ("forbid", "warn", "{ natsPublish: a.b }"));
        Assert.Equal(
            [
                new RuleWarning("natsPublish a.b", new RuleReference("sample", "rule-2")),
                new RuleWarning("natsPublish a.>", new RuleReference("sample", "rule-0")) { IsPermit = true },
            ],
            notes.Warnings);
        Assert.Empty(notes.Shadow);
    }

    [Theory]
    [InlineData("{ natsSubscribe: orders.* }", "{ natsSubscribe: orders.eu.paid }", "natsSubscribe orders.*")]
    [InlineData("{ natsPublish: a.b }, { natsRespond: { max: 9, within: 1m } }", "{ natsRespond: { max: 1, within: 1m } }", "natsRespond 9 1m")]
    public void A_permit_that_would_cost_a_right_says_so(string had, string permitted, string lost) => Assert.Contains(
        new ShadowOutcome(lost, new RuleReference("sample", "rule-1"), WouldAllow: false), About(("permit", "enforce", had), ("permit", "shadow", permitted)).Shadow);

    [Fact]
    public void A_permit_in_mode_shadow_says_what_would_come_also_where_there_is_no_login()
    {
        var outcome = new ShadowOutcome("natsPublish a.b", new RuleReference("sample", "rule-0"), WouldAllow: true);
        Assert.Equal([outcome], About(("permit", "shadow", "{ natsPublish: a.b }")).Shadow);
        Assert.Empty(About(("permit", "shadow", "{ natsPublish: a.b }"), ("permit", "enforce", "{ natsPublish: a.> }")).Shadow);
        Assert.Empty(About(("permit", "shadow", "{ natsPublish: a.b }"), ("forbid", "enforce", "{ natsPublish: a.> }")).Shadow);
    }

    [Fact]
    public void More_subjects_than_a_login_has_room_for_are_said_once()
    {
        var many = string.Join(", ", Enumerable.Range(0, 400).Select(number => $"{{ natsPublish: a.s{number} }}"));
        var others = string.Join(", ", Enumerable.Range(0, 400).Select(number => $"{{ natsPublish: b.s{number} }}"));
        Assert.Equal(
            new ShadowOutcome("nats login", new RuleReference("sample", "rule-1"), WouldAllow: false),
            Assert.Single(About(("permit", "enforce", many), ("permit", "shadow", others)).Shadow));
        Assert.Equal(NatsNotes.Most, About(("permit", "enforce", many), ("forbid", "shadow", "{ natsPublish: a.> }")).Shadow.Length);
    }

    [Fact]
    public void A_rule_that_has_much_to_say_leaves_room_for_the_others()
    {
        var many = string.Join(", ", Enumerable.Range(0, 100).Select(number => $"{{ natsPublish: a.s{number} }}"));
        var notes = About(("permit", "enforce", many), ("forbid", "shadow", "{ natsPublish: a.> }"), ("forbid", "shadow", "{ natsPublish: a.s99 }"), ("permit", "shadow", "{ natsPublish: b }"));
        Assert.Equal(NatsNotes.Most, notes.Shadow.Length);
        Assert.Equal(["sample/rule-1", "sample/rule-2", "sample/rule-3"], notes.Shadow.Select(note => note.Rule.ToString()).Distinct());
    }

    [Fact]
    public void Rules_about_others_and_unreadable_policies_say_nothing()
    {
        var source = Samples.Source(("permit", IsGreeter, "{ natsPublish: a.b }"), ("forbid", "spiffeId: spiffe://example.org/other", "{ natsPublish: a.b }"));
        Assert.Empty(NatsNotes.About(Samples.Policy(source.Replace("effect: forbid", "effect: forbid, mode: shadow", StringComparison.Ordinal)), Greeter, Samples.Now).Shadow);
        Assert.Equal(NatsNotes.None, NatsNotes.About(CapabilityPolicy.FromSources(["?"], 1), Greeter, Samples.Now));
    }

    private static NatsNotes About(params (string Effect, string Mode, string Capabilities)[] rules) => NatsNotes.About(
        Samples.Policy(Samples.Source([.. rules.Select(rule => ($"{rule.Effect}, mode: {rule.Mode}", IsGreeter, rule.Capabilities))])), Greeter, Samples.Now);

    private static bool Means(string capability, CapabilityRequest thing) => Capability.Parse(capability).Matches(thing);
}
