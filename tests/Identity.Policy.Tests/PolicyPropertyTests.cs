using CsCheck;
using Identity.Policy.Tests.Language;
using Spiffe.Net;

namespace Identity.Policy.Tests;

/// <summary>What must hold for every policy, shown on all policies of a small world and against an oracle that scans every rule.</summary>
public sealed class PolicyPropertyTests
{
    private const int Runs = 2_000;

    private static readonly string[] Ids = ["spiffe://t/a", "spiffe://t/a/b", "spiffe://t/a/b/c", "spiffe://t/ab", "spiffe://u/a"];
    private static readonly string[] Hosts = ["spiffe://t/h/1", "spiffe://t/h/2"];
    private static readonly string[] Imports = ["a:b/c@0.2.0", "a:b/c@0.2.5", "a:b/c@0.3.0", "a:b/d@0.2.0", "a:b/c", "a:bb/c@1.0.0"];
    private static readonly string[] Patterns = [.. Imports, "a:b/*@0.2.0", "a:b/*", "a:b/*@*", "a:b/c@*"];
    private static readonly string[] Subjects = ["a", "a.b", "a.*", "a.>", "a.b.c", "b.>"];
    private static readonly ComponentDigest[] Digests = [Samples.Digest, Samples.OtherDigest];

    private static readonly Gen<PolicySubject> SubjectGen = Gen.Select(
        Gen.Int[0, 31], Gen.Int[0, Ids.Length - 1], Gen.Int[0, Ids.Length - 1], Gen.Int[0, 1], Gen.Int[0, 1], (mask, id, prefix, digest, host) => new PolicySubject
        {
            SpiffeId = (mask & 1) != 0 || mask == 0 ? SpiffeId.Parse(Ids[id]) : null,
            SpiffeIdPrefix = (mask & 2) != 0 ? SpiffeIdPrefix.Parse(Ids[prefix]) : null,
            Digest = (mask & 12) == 12 ? Digests[digest] : null,
            Host = (mask & 20) == 20 ? SpiffeId.Parse(Hosts[host]) : null,
            HostPrefix = (mask & 24) == 24 ? SpiffeIdPrefix.Parse(host == 0 ? "spiffe://t/h" : "spiffe://t/h/2") : null,
        }).Where(subject => subject != new PolicySubject());

    private static readonly Gen<Capability> CapabilityGen = Gen.Select(Gen.Int[0, 5], Gen.Int[0, 99], (kind, which) => (Capability)(kind switch
    {
        0 => new Capability.Start(),
        1 => new Capability.NatsPublish(NatsSubject.Parse(Subjects[which % Subjects.Length])),
        2 => new Capability.NatsSubscribe(NatsSubject.Parse(Subjects[which % Subjects.Length])),
        _ => new Capability.Import(ImportPattern.Parse(Patterns[which % Patterns.Length])),
    }));

    private static readonly Gen<PolicyRule> RuleGen = Gen.Select(
        Gen.Bool, SubjectGen.Array[1, 2], CapabilityGen.Array[1, 3], Gen.Int[0, 3], Gen.Int[1, 4], (permit, subjects, capabilities, expiry, fuel) => new PolicyRule
        {
            Name = "unnamed",
            Effect = permit ? RuleEffect.Permit : RuleEffect.Forbid,
            Subjects = [.. subjects],
            Capabilities = [.. capabilities],
            Expires = permit && expiry < 2 ? Samples.Now.AddHours(expiry == 0 ? -1 : 1) : null,
            Ceilings = permit && fuel < 4 ? new StatedCeilings { Fuel = fuel } : StatedCeilings.None,
        });

    private static readonly Gen<PolicyRule[]> RulesGen = RuleGen.Array[0, 8].Select(rules => rules.Select((rule, i) => rule with { Name = $"r{i}" }).ToArray());

    private static readonly Gen<ComponentStart> StartGen = Gen.Select(
        Gen.Int[0, Ids.Length - 1], Gen.Int[0, 1], Gen.Int[0, 1], Gen.Int[0, Imports.Length - 1].Array[0, 3], (id, host, digest, imports) => new ComponentStart(
            SpiffeId.Parse(Ids[id]), SpiffeId.Parse(Hosts[host]), Digests[digest], "any",
            new ComponentImports([.. imports.Distinct().Select(import => new ComponentImport(Imports[import], ImportKind.Instance))])));

    [Fact]
    public void Decides_as_a_plain_scan_of_every_rule_does() => Gen.Select(RulesGen, StartGen).Sample((rules, start) =>
    {
        var decision = Decide(rules, start);
        Assert.Equal(Oracle(rules, start), decision is Decision.Admitted);
        if (decision is not Decision.Admitted admitted) return;
        var determining = rules.Where(rule => admitted.DeterminingRules.Contains(new RuleReference("p", rule.Name))).ToArray();
        Assert.Equal(determining.Min(rule => rule.Ceilings.Fuel) ?? ResourceCeilings.Default.Fuel, admitted.Ceilings.Fuel);
        Assert.Equal(determining.Min(rule => rule.Expires), admitted.ValidUntil);
        Assert.True(Oracle(determining, start), "the determining rules alone admit it");
    }, iter: 5 * Runs);

    [Fact]
    public void Without_a_permit_nothing_is_admitted() => Gen.Select(RulesGen, StartGen).Sample((rules, start) =>
        Decide([.. rules.Where(rule => rule.Effect == RuleEffect.Forbid)], start) is Decision.Denied, iter: Runs);

    [Fact]
    public void The_order_of_rules_says_nothing() => Gen.Select(RulesGen, StartGen).SelectMany((rules, start) => Shuffle.Of(rules, []).Select(documents => (rules, start, documents.Plain, documents.Shuffled))).Sample(one =>
    {
        var (rules, start, plain, shuffled) = one;
        var decision = Decide(plain, start);
        Assert.Equal(decision, Decide(shuffled, start));
        Assert.Equal(Answer(Decide(rules, start)), Answer(decision));

        // All but the names of the rules.
        static object? Answer(Decision decision) => decision is Decision.Admitted admitted ? (admitted.Ceilings, admitted.ValidUntil, admitted.DeterminingRules.Length) : null;
    }, iter: Runs);

    [Fact]
    public void A_rule_given_twice_changes_no_answer() => Gen.Select(RulesGen, StartGen).Sample((rules, start) =>
        Decide(rules, start) is Decision.Admitted == Decide([.. rules, .. rules.Select(rule => rule with { Name = rule.Name + "-again" })], start) is Decision.Admitted, iter: Runs);

    [Fact]
    public void Adding_a_forbid_never_allows_more() => Gen.Select(RulesGen, RuleGen, StartGen).Sample((rules, extra, start) =>
    {
        PolicyRule[] stricter = [.. rules, extra with { Name = "extra", Effect = RuleEffect.Forbid }];
        Assert.True(Decide(rules, start) is Decision.Admitted || Decide(stricter, start) is Decision.Denied);
        foreach (var subject in Subjects.Where(subject => !subject.Contains('*') && !subject.Contains('>')).Select(NatsSubject.Parse))
            Assert.True(MayPublish(rules, start.Id, subject) || !MayPublish(stricter, start.Id, subject));
    }, iter: Runs);

    [Fact]
    public void Adding_a_permit_never_allows_less() => Gen.Select(RulesGen, RuleGen, StartGen).Sample((rules, extra, start) =>
        Decide(rules, start) is Decision.Denied || Decide([.. rules, extra with { Name = "extra", Effect = RuleEffect.Permit }], start) is Decision.Admitted, iter: Runs);

    [Fact]
    public void An_error_never_allows() => Gen.Select(RulesGen, RuleGen, StartGen, Gen.Int[0, 3]).Sample((rules, broken, start, how) =>
    {
        broken = how switch
        {
            0 => broken with { Subjects = default },
            1 => broken with { Subjects = [new PolicySubject()] },
            2 => broken with { Capabilities = default },
            _ => broken with { Effect = (RuleEffect)9 },
        };
        return Decide(rules, start) is Decision.Admitted || Decide([.. rules, broken with { Name = "broken" }], start) is Decision.Denied;
    }, iter: Runs);

    [Fact]
    public void Every_smallest_grant_is_a_valid_policy_that_admits_and_every_refusal_without_one_cannot_be_granted() => Gen.Select(RulesGen, StartGen).Sample((rules, start) =>
    {
        if (Decide(rules, start) is not Decision.Denied denied) return;
        if (denied.Explanation.SmallestGrant is { } grant)
            Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(CapabilityPolicy.Create([Document(rules), Samples.Document(grant)], 1), start, Samples.Now));
        else
            Assert.Contains(denied.Refusals, refusal => refusal.ForbiddenBy is not null);
    }, iter: Runs);

    [Fact]
    public void Nats_permissions_say_the_same_as_the_rules_for_every_subject() => Gen.Select(RulesGen, StartGen).Sample((rules, start) =>
    {
        foreach (var subject in Subjects.Where(subject => !subject.Contains('*') && !subject.Contains('>')).Select(NatsSubject.Parse))
        {
            var expected = rules.Any(rule => rule.Effect == RuleEffect.Permit && !(rule.Expires <= Samples.Now) && Publishes(rule, start.Id, subject))
                && !rules.Any(rule => rule.Effect == RuleEffect.Forbid && Publishes(rule, start.Id, subject));
            Assert.Equal(expected, MayPublish(rules, start.Id, subject));
            Assert.Equal(expected, NatsExplanation.WhyNot(Policy(rules), start.Id, NatsAction.Publish, subject, Samples.Now) is null);
        }
    }, iter: Runs);

    [Fact]
    public void No_side_of_a_nats_login_is_ever_empty() => Gen.Select(RulesGen, StartGen).Sample((rules, start) =>
        NatsPermissions.For(Policy(rules), start.Principal, Samples.Now) is not NatsPermissions.Allowed allowed
            || ((allowed.Publish.Allow.Length > 0 || allowed.Publish.Deny.SequenceEqual([">"])) && (allowed.Subscribe.Allow.Length > 0 || allowed.Subscribe.Deny.SequenceEqual([">"]))), iter: Runs);

    private static Decision Decide(PolicyRule[] rules, ComponentStart start) => ComponentAdmission.Decide(Policy(rules), start, Samples.Now);

    private static Decision Decide(PolicyDocument[] documents, ComponentStart start) => ComponentAdmission.Decide(CapabilityPolicy.Create(documents, 1), start, Samples.Now);

    private static CapabilityPolicy Policy(PolicyRule[] rules) => CapabilityPolicy.Create([Document(rules)], 1);

    private static PolicyDocument Document(PolicyRule[] rules) => new() { Name = "p", Rules = [.. rules], Source = "" };

    private static bool MayPublish(PolicyRule[] rules, SpiffeId id, NatsSubject subject) =>
        NatsPermissions.For(Policy(rules), id, Samples.Now) is NatsPermissions.Allowed { Publish: var side }
        && side.Allow.Any(allow => NatsSubject.Parse(allow).Covers(subject)) && !side.Deny.Any(deny => NatsSubject.Parse(deny).Covers(subject));

    private static bool Oracle(PolicyRule[] rules, ComponentStart start)
    {
        bool Has(RuleEffect effect, Func<Capability, bool> matches) => rules.Any(rule =>
            rule.Effect == effect && !(rule.Expires <= Samples.Now) && rule.Subjects.Any(subject => Means(subject, start.Id, start.Digest, start.Host)) && rule.Capabilities.Any(matches));
        bool Granted(Func<Capability, bool> matches, Func<Capability, bool>? touches = null) =>
            Has(RuleEffect.Permit, c => matches(c) && c is not Capability.Import { Pattern.AnyVersion: true }) && !Has(RuleEffect.Forbid, touches ?? matches);
        // An import without a version may be any.
        bool Touches(ImportPattern pattern, InterfaceName name) => pattern.Matches(name)
            || (name.Version is null && pattern.Package == name.Package && (pattern.Interface is null || pattern.Interface == name.Interface));

        if (Has(RuleEffect.Forbid, capability => capability is Capability.Start)) return false;
        if (start.Imports.Imports.IsEmpty) return Granted(capability => capability is Capability.Start);
        return start.Imports.Imports.Select(import => InterfaceName.Parse(import.Name)).All(name => Granted(
            capability => capability is Capability.Import { Pattern: var pattern } && pattern.Matches(name),
            capability => capability is Capability.Import { Pattern: var pattern } && Touches(pattern, name)));
    }

    private static bool Publishes(PolicyRule rule, SpiffeId id, NatsSubject subject) =>
        rule.Subjects.Any(meant => Means(meant, id, null, null)) && rule.Capabilities.Any(capability => capability is Capability.NatsPublish publish && publish.Subject.Covers(subject));

    private static bool Means(PolicySubject subject, SpiffeId id, ComponentDigest? digest, SpiffeId? host) =>
        (subject.SpiffeId is null || subject.SpiffeId == id)
        && (subject.SpiffeIdPrefix is null || $"{id}/".StartsWith(subject.SpiffeIdPrefix.Text + "/", StringComparison.Ordinal))
        && (subject.Digest is null || subject.Digest == digest)
        && (subject.Host is null || subject.Host == host)
        && (subject.HostPrefix is null || (host is not null && $"{host}/".StartsWith(subject.HostPrefix.Text + "/", StringComparison.Ordinal)));
}
