using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis;

/// <summary>What a change of policy is said to give and take.</summary>
public sealed class PolicyDiffTests
{
    private const string Shop = "spiffeId: spiffe://example.org/shop";
    private const string Everyone = "spiffeIdPrefix: spiffe://example.org";

    [Fact]
    public void The_same_rules_under_other_names_in_another_order_are_no_difference()
    {
        var before = Policy("- { name: a, effect: permit, subjects: [{ " + Shop + " }], capabilities: [start, { natsPublish: a.b }] }", "- { name: b, effect: forbid, subjects: [{ " + Everyone + " }], capabilities: [{ connect: '*:22' }] }");
        var after = Policy("- { name: z, effect: forbid, subjects: [{ " + Everyone + " }], capabilities: [{ connect: '*:22' }] }", "- { name: y, effect: permit, subjects: [{ " + Shop + " }], capabilities: [{ natsPublish: a.b }, start] }");
        Assert.True(PolicyDiff.Between(before, after, Samples.Now).IsEmpty);
    }

    [Fact]
    public void Two_rules_that_together_say_what_one_said_are_no_difference()
    {
        var one = Policy(Permit("{ connect: '10.0.0.0/31:80-81' }"));
        var four = Policy(Permit("{ connect: '10.0.0.0:80' }, { connect: '10.0.0.0:81' }, { connect: '10.0.0.1:80-81' }, { connect: '10.0.0.0/31:80-81' }"));
        Assert.True(PolicyDiff.Between(one, four, Samples.Now).IsEmpty);
        // Without the last, every single address and port is still granted, but nothing that asks for both.
        var three = Policy(Permit("{ connect: '10.0.0.0:80-81' }, { connect: '10.0.0.1:80-81' }"));
        var lost = Assert.Single(PolicyDiff.Between(one, three, Samples.Now).Lost);
        Assert.Equal("connect 10.0.0.0/31:80", lost.Example!.Request.ToString());
    }

    /// <summary>Where a name has room for one character, there are as many names as characters; all of them together are the same as the star.</summary>
    [Theory]
    [InlineData("secret", SegmentPattern.MaxLength, "/", "xyzabcdefghijklmnopqrstuvwABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_!\"#$%&'()+,:;<=>?@[\\]^`{|}~")]
    [InlineData("mount", SegmentPattern.MaxLength, "/", "xyzabcdefghijklmnopqrstuvwABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_!\"#$%&'()+,:;<=>?@[\\]^`{|}~")]
    [InlineData("resolve", 253, ".", "xyzabcdefghijklmnopqrstuvw0123456789")]
    [InlineData("natsPublish", NatsSubject.MaxLength, ".", "xyzabcdefghijklmnopqrstuvwABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_!\"#$%&'()+,:;<=?@[\\]^`{|}~/")]
    public void Near_the_longest_name_every_name_that_is_left_counts(string kind, int longest, string separator, string all)
    {
        var isName = kind == "resolve";
        var start = kind == "mount" ? "/" : "";
        var room = longest - start.Length - 2;
        var stem = start + string.Join(separator, Enumerable.Repeat(new string('n', 62), (room / 63) + 1))[^room..].TrimStart('.', '/').PadLeft(room, 'n');
        var star = Policy(Permit(Of("*")));
        var each = Policy(Permit(string.Join(", ", all.Select(one => Of(one.ToString())))));
        Assert.True(PolicyDiff.Between(star, each, Samples.Now).IsEmpty);
        foreach (var missing in all.Where((_, at) => at % 7 == 0 || at > all.Length - 3))
        {
            var lost = Assert.Single(PolicyDiff.Between(star, Policy(Permit(string.Join(", ", all.Where(one => one != missing).Select(one => Of(one.ToString()))))), Samples.Now).Lost);
            Assert.Equal($"{kind} {Name(missing.ToString())}", lost.Example!.Request.ToString());
        }

        string Name(string last) => isName ? $"{last}.{stem}" : $"{stem}{separator}{last}";
        string Of(string last) => $"{{ {kind}: '{Name(last).Replace("'", "''", StringComparison.Ordinal)}' }}";
    }

    [Fact]
    public void A_gain_is_told_without_what_was_granted_before_and_without_what_is_forbidden()
    {
        var before = Policy(Permit("{ natsPublish: orders.new }"), Forbid("{ natsPublish: orders.secret }"));
        var after = Policy(Permit("{ natsPublish: orders.* }"), Forbid("{ natsPublish: orders.secret }"));
        var diff = PolicyDiff.Between(before, after, Samples.Now);
        var gained = Assert.Single(diff.Gained);
        Assert.Empty(diff.Lost);
        Assert.Equal("spiffe://example.org/shop: natsPublish orders.*", gained.ToString());
        Assert.Equal(["natsPublish orders.new", "natsPublish orders.secret"], gained.Except.Select(except => except.Capability.ToString()).Order());
        Assert.DoesNotContain(gained.Example!.Request.ToString(), (string[])["natsPublish orders.new", "natsPublish orders.secret"]);
        Differs(before, after, gained.Example);
    }

    [Fact]
    public void A_forbid_that_is_removed_gives_exactly_what_is_permitted_under_it()
    {
        var before = Policy(Permit("{ connect: '*.example.com:443' }, start"), Forbid("{ connect: 'db.example.com:*' }"));
        var after = Policy(Permit("{ connect: '*.example.com:443' }, start"));
        var gained = Assert.Single(PolicyDiff.Between(before, after, Samples.Now).Gained);
        Assert.Equal("connect db.example.com:443", gained.Example!.Request.ToString());
        Assert.Equal("p/r1", gained.Rule.ToString());
        Differs(before, after, gained.Example);
    }

    [Fact]
    public void What_is_lifted_is_told_without_what_another_forbid_still_holds_where_the_image_cannot_be_told()
    {
        const string AnImage = "image: 'r.io/a/x:1'";
        string Forbidding(string image) => $"- {{ name: f, effect: forbid, subjects: [{{ {image} }}], capabilities: [start] }}";
        var before = Policy($"- {{ name: p, effect: permit, subjects: [{{ {AnImage} }}], capabilities: [start] }}", Forbidding(AnImage));
        var after = Policy(Permit("start"), Forbidding("image: 'r.io/a/y:1'"));
        var lifted = Assert.Single(PolicyDiff.Between(before, after, Samples.Now).Gained, change => change.Lifted is not null);
        // Whoever cannot tell the image was meant by the one, and is by the other.
        Assert.Contains(lifted.Except, except => except is { Effect: RuleEffect.Forbid, Subject.Image: { } image } && image.ToString() == "r.io/a/y:1");
    }

    [Theory]
    [InlineData("enforce", "warn", true)]
    [InlineData("enforce", "shadow", true)]
    [InlineData("enforce", "off", true)]
    [InlineData("warn", "enforce", false)]
    [InlineData("shadow", "warn", false)]
    [InlineData("off", "shadow", false)]
    public void A_softer_forbid_widens_and_a_harder_one_does_not(string before, string after, bool widens)
    {
        CapabilityPolicy With(string mode) => Policy(Permit("start"), $"- {{ name: f, mode: {mode}, effect: forbid, subjects: [{{ {Shop} }}], capabilities: [start] }}");
        Assert.Equal(widens, PolicyDiff.Widens(With(before), With(after), Samples.Now));
    }

    [Theory]
    [InlineData("off", "enforce", true)]
    [InlineData("shadow", "warn", true)]
    [InlineData("enforce", "warn", false)]
    [InlineData("warn", "enforce", false)]
    [InlineData("off", "shadow", false)]
    public void A_permit_that_begins_to_decide_widens(string before, string after, bool widens)
    {
        CapabilityPolicy With(string mode) => Policy($"- {{ name: p, mode: {mode}, effect: permit, subjects: [{{ {Shop} }}], capabilities: [start] }}");
        Assert.Equal(widens, PolicyDiff.Widens(With(before), With(after), Samples.Now));
    }

    [Fact]
    public void An_expiry_moved_later_widens_from_the_old_one_on()
    {
        CapabilityPolicy Until(string expires) => Policy($"- {{ name: p, effect: permit, reason: r, expires: {expires}, subjects: [{{ {Shop} }}], capabilities: [start] }}");
        var (before, after) = (Until("2027-01-01T00:00:00Z"), Until("2028-01-01T00:00:00Z"));
        var gained = Assert.Single(PolicyDiff.Between(before, after, Samples.Now).Gained);
        Assert.Equal(new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero), gained.Example!.At);
        Differs(before, after, gained.Example);
        Assert.False(PolicyDiff.Widens(after, before, Samples.Now));
        Assert.True(PolicyDiff.Between(before, after, gained.Until!.Value).IsEmpty);
    }

    [Fact]
    public void A_label_given_to_more_subjects_widens_for_these()
    {
        CapabilityPolicy Labelled(string subjects) => Samples.Policy(
            $"kind: CapabilityPolicy\nname: p\nlabels:\n  - {{ name: team, value: shop, subjects: [{subjects}] }}\nrules:\n  - {{ name: r, effect: permit, subjects: [{{ labels: {{ team: shop }} }}], capabilities: [start] }}\n");
        var before = Labelled("{ spiffeId: spiffe://example.org/a }");
        var after = Labelled("{ spiffeId: spiffe://example.org/a }, { spiffeId: spiffe://example.org/b }");
        var gained = Assert.Single(PolicyDiff.Between(before, after, Samples.Now).Gained);
        Assert.Equal(SpiffeId.Parse("spiffe://example.org/b"), gained.Example!.Principal.Id);
        Assert.False(PolicyDiff.Widens(after, before, Samples.Now));
    }

    [Theory]
    [InlineData("{ memory: 32MiB }", "{ memory: 64MiB }", "memory 32MiB → 64MiB")]
    [InlineData("{ memory: 1MiB }", "{ fuel: 5 }", "memory 1MiB → 16MiB")]
    [InlineData("{ fuel: 5 }", "{ memory: 64MiB, fuel: 5 }", "memory 16MiB → 64MiB")]
    [InlineData("{ time: 1s }", "{ time: 2s }", "time 1s → 2s")]
    [InlineData("{ memory: 64MiB }", "{ memory: 32MiB }", null)]
    [InlineData("{ memory: 64MiB }", "{ memory: 16MiB }", null)]
    public void A_ceiling_that_rises_widens(string before, string after, string? told)
    {
        CapabilityPolicy With(string ceilings) => Policy($"- {{ name: p, effect: permit, ceilings: {ceilings}, subjects: [{{ {Shop} }}], capabilities: [start] }}");
        var gained = PolicyDiff.Between(With(before), With(after), Samples.Now).Gained;
        Assert.Equal(told, gained.SingleOrDefault()?.Ceiling);
        if (told is null) return;
        Assert.Equal(AuthorityChangeKind.Ceiling, gained[0].Kind);
    }

    [Fact]
    public void A_ceiling_that_another_permit_holds_down_does_not_widen()
    {
        CapabilityPolicy With(string memory) => Policy(
            $"- {{ name: p, effect: permit, ceilings: {{ memory: {memory} }}, subjects: [{{ {Shop} }}], capabilities: [start] }}",
            $"- {{ name: q, effect: permit, ceilings: {{ memory: 1MiB }}, subjects: [{{ {Everyone} }}], capabilities: [start] }}");
        Assert.True(PolicyDiff.Between(With("2MiB"), With("64MiB"), Samples.Now).IsEmpty);
    }

    // All permits of one component hold its ceilings together: of its start, its imports, its exports, and what it may do on NATS.
    [Theory]
    [InlineData("start", "{ import: wasi:io/poll@0.2.0 }", "memory 1MiB → 16MiB", "start and import wasi:io/poll@0.2.0")]
    [InlineData("start", "{ import: wasi:io/poll@0.2.0 }, { natsPublish: c }", "memory 1MiB → 16MiB", "start and import wasi:io/poll@0.2.0")]
    [InlineData("{ export: wasi:http/handler@0.2.0 }", "{ import: wasi:io/poll@0.2.0 }", "memory 1MiB → 16MiB", "export wasi:http/handler@0.2.0 and import wasi:io/poll@0.2.0")]
    [InlineData("{ export: '#run' }", "start", "memory 1MiB → 16MiB", "export #run and start")]
    [InlineData("{ natsPublish: a.b }", "start", "memory 1MiB → 16MiB", "natsPublish a.b and start")]
    [InlineData("{ import: wasi:io/poll@0.2.0 }", "start", null, null)]
    [InlineData("{ connect: '*:443' }", "start", null, null)]
    [InlineData("start", "{ natsPublish: a.b }", null, null)]
    public void A_ceiling_rises_when_the_permit_that_held_it_down_is_gone_and_another_still_admits(string held, string kept, string? told, string? asked)
    {
        var stays = $"- {{ name: p, effect: permit, subjects: [{{ {Shop} }}], capabilities: [{kept}] }}";
        var goes = $"- {{ name: q, effect: permit, ceilings: {{ memory: 1MiB }}, subjects: [{{ {Everyone} }}], capabilities: [{held}] }}";
        var gained = PolicyDiff.Between(Policy(stays, goes), Policy(stays), Samples.Now).Gained;
        Assert.Equal(told, gained.SingleOrDefault()?.Ceiling);
        if (told is null) return;
        Assert.Equal((AuthorityChangeKind.Ceiling, "p/q", asked), (gained[0].Kind, gained[0].Rule.ToString(), gained[0].Example!.What));
        Assert.DoesNotContain(PolicyDiff.Between(Policy(stays), Policy(stays, goes), Samples.Now).Gained, change => change.Kind == AuthorityChangeKind.Ceiling);
    }

    [Fact]
    public void A_ceiling_above_the_default_that_another_permit_states_is_seen_when_the_one_that_held_it_down_goes()
    {
        const string Import = "{ import: wasi:io/poll@0.2.0 }";
        var large = $"- {{ name: large, effect: permit, ceilings: {{ fuel: 9000000000 }}, subjects: [{{ {Shop} }}], capabilities: [{Import}] }}";
        string Start(string ceilings) => $"- {{ name: small, effect: permit, {ceilings}subjects: [{{ {Everyone} }}], capabilities: [start] }}";
        // The start itself falls, from what was stated to the default; the component that also imports rises.
        var gained = Assert.Single(PolicyDiff.Between(Policy(large, Start("ceilings: { fuel: 2000000000 }, ")), Policy(large, Start("")), Samples.Now).Gained);
        Assert.Equal("fuel 2000000000 → 9000000000", gained.Ceiling);
        Assert.Equal("p/small", gained.Rule.ToString());
    }

    [Fact]
    public void A_forbid_raises_no_ceiling()
    {
        var permits = new[]
        {
            $"- {{ name: p, effect: permit, subjects: [{{ {Shop} }}], capabilities: [start] }}",
            $"- {{ name: q, effect: permit, ceilings: {{ memory: 1MiB }}, subjects: [{{ {Shop} }}], capabilities: [{{ natsPublish: a.b }}, {{ export: '#run' }}] }}",
        };
        var forbid = $"- {{ name: f, effect: forbid, subjects: [{{ {Everyone} }}], capabilities: [{{ natsPublish: '>' }}, {{ export: '#run' }}] }}";
        Assert.False(PolicyDiff.Widens(Policy(permits), Policy([.. permits, forbid]), Samples.Now));
        var component = new ComponentStart(
            SpiffeId.Parse("spiffe://example.org/shop"), Samples.Host, Samples.Digest, "shop", new ComponentImports([]) { Exports = [new ComponentExport("run", ImportKind.Function, [])] });
        foreach (var policy in (CapabilityPolicy[])[Policy(permits), Policy([.. permits, forbid])])
            Assert.Equal(1 << 20, Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, component, Samples.Now)).Ceilings.MemoryBytes);
    }

    [Fact]
    public void More_answers_to_a_request_widen()
    {
        var (before, after) = (Policy(Permit("{ natsRespond: { max: 1, within: 1m } }")), Policy(Permit("{ natsRespond: { max: 5, within: 1m } }")));
        Assert.Equal("natsRespond max 1 → 5", Assert.Single(PolicyDiff.Between(before, after, Samples.Now).Gained).Ceiling);
        Assert.Empty(PolicyDiff.Between(after, before, Samples.Now).Gained);
    }

    [Fact]
    public void What_can_only_be_asked_by_somebody_whose_digest_cannot_be_told_is_told_as_that()
    {
        var before = Policy(Permit("start"), $"- {{ name: f, effect: forbid, subjects: [{{ digest: {Samples.Digest.Text} }}], capabilities: [start] }}");
        var after = Policy(Permit("start"), $"- {{ name: f, effect: forbid, subjects: [{{ digest: {Samples.Digest.Text}, host: spiffe://example.org/h }}], capabilities: [start] }}");
        Assert.All(PolicyDiff.Between(before, after, Samples.Now).Gained, gained => Differs(before, after, gained.Example!));
        Assert.NotEmpty(PolicyDiff.Between(before, after, Samples.Now).Gained);
    }

    [Fact]
    public void A_policy_that_cannot_be_read_allows_nothing()
    {
        var policy = Policy(Permit("start"));
        var broken = CapabilityPolicy.FromSources(["kind: nonsense"], 2);
        Assert.Single(PolicyDiff.Between(policy, broken, Samples.Now).Lost);
        Assert.Single(PolicyDiff.Between(broken, policy, Samples.Now).Gained);
    }

    [Fact]
    public void The_inventory_shows_whom_it_concerns_and_whom_not()
    {
        var before = Policy(Permit("start"), $"- {{ name: f, effect: forbid, subjects: [{{ {Everyone} }}], capabilities: [{{ natsPublish: a.secret }}] }}");
        var after = Policy(
            Permit("start"),
            $"- {{ name: q, effect: permit, subjects: [{{ {Everyone} }}], capabilities: [{{ natsPublish: a.* }}] }}",
            "- { name: f, effect: forbid, subjects: [{ spiffeIdPrefix: spiffe://example.org/guests }], capabilities: [{ natsPublish: a.> }] }");
        Principal[] inventory = [Called("example.org/shop"), Called("example.org/guests/one"), Called("other.org/shop"), Called("example.org/x/y")];
        var diff = PolicyDiff.Between(before, after, Samples.Now);
        var impact = diff.On(inventory);
        Assert.Equal([inventory[0], inventory[3]], impact.Gained.Select(gained => gained.Principal).Distinct());
        Assert.Empty(impact.Lost);
        Assert.All(impact.Gained.Where(gained => gained.Change.Kind == AuthorityChangeKind.Authority), gained => Differs(before, after, new AuthorityExample(gained.Principal, gained.Request, gained.At)));
    }

    [Theory]
    [InlineData("{ stream: KV_x, access: [read] }", "{ bucket: x, access: [read] }")]
    [InlineData("{ bucket: x, access: [watch] }", "{ stream: KV_x, access: [consume] }")]
    [InlineData("{ consumer: KV_x/c, access: [consume] }", "{ bucket: x, access: [watch] }")]
    [InlineData("{ consumer: S/c, access: [info] }", "{ stream: S, access: [consume] }")]
    public void A_forbid_of_a_bucket_or_a_stream_is_a_loss_of_what_is_the_same_by_another_name(string permitted, string forbidden)
    {
        var (before, after) = (Policy(Permit(permitted)), Policy(Permit(permitted), Forbid(forbidden)));
        // Nothing else was granted, so a login, told apart, ends with it.
        static bool IsRight(AuthorityChange change) => change.Kind == AuthorityChangeKind.Authority;
        var lost = Assert.Single(PolicyDiff.Between(before, after, Samples.Now).Lost, IsRight);
        Differs(after, before, lost.Example!);
        Assert.Single(PolicyDiff.Between(after, before, Samples.Now).Gained, IsRight);
        // Beside that forbid it grants nothing.
        Assert.Contains(PolicyCheck.Find(after, PolicyInventory.Empty, Samples.Now), warning => warning.Kind == PolicyWarningKind.Contradiction);
    }

    private static Principal Called(string id) => new() { Id = SpiffeId.Parse("spiffe://" + id) };

    private static void Differs(CapabilityPolicy before, CapabilityPolicy after, AuthorityExample example)
    {
        Assert.False(NatsRights.Decide(before, example.Principal, example.Request, example.At).Allowed);
        Assert.True(NatsRights.Decide(after, example.Principal, example.Request, example.At).Allowed);
    }

    private static string Permit(string capabilities) => $"- {{ name: r0, effect: permit, subjects: [{{ {Shop} }}], capabilities: [{capabilities}] }}";

    private static string Forbid(string capabilities) => $"- {{ name: r1, effect: forbid, subjects: [{{ {Everyone} }}], capabilities: [{capabilities}] }}";

    private static CapabilityPolicy Policy(params string[] rules) => Samples.Policy("kind: CapabilityPolicy\nname: p\nrules:\n" + string.Concat(rules.Select(rule => $"  {rule}\n")));
}
