using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// What NATS logins gain and lose under random policies, beside both logins as they are rendered for every caller and moment: what a difference does not tell right by right it tells of
/// logins, exactly (docs/policy-verification.md).
/// </summary>
public sealed class ManyLoginsTests
{
    private (PolicyRule[] Before, PolicyRule[] After) _pair;

    [Fact]
    public void Every_login_differs_as_it_is_told() => Cases.Many(Cases.Times(1_000), draw =>
    {
        var (who, what) = (CallerBoard.All[draw.Of(CallerBoard.All.Length)], LoginBoard.All[draw.Of(LoginBoard.All.Length)]);
        var before = Rules(draw, who, what);
        Assert.True(Check(draw, who, what, before, After(draw, who, what, before)));
    }, () => _pair);

    // Hundreds of subjects on both sides may be more work than a comparison does; that is said then, and must stay rare.
    [Fact]
    public void Also_where_a_login_is_refused_for_its_many_subjects()
    {
        var undecided = 0;
        Cases.Many(Cases.Times(40), draw => undecided += CheckCrowded(draw) ? 0 : 1, () => _pair);
        Assert.InRange(undecided, 0, Cases.Times(40) / 100);
    }

    private bool CheckCrowded(Draw draw)
    {
        var (who, what) = (CallerBoard.All[draw.Of(CallerBoard.All.Length)], LoginBoard.All[draw.Of(LoginBoard.All.Length)]);
        var before = Rules(draw, who, what);
        for (var i = 0; i < before.Length; i++) before[i] = Crowded(draw, before[i]);
        var after = After(draw, who, what, before);
        if (after.Length > 0 && draw.OneIn(2)) after[^1] = Crowded(draw, after[^1]);
        return Check(draw, who, what, before, after);
    }

    [Fact]
    public void A_caller_of_whom_only_keys_are_told_is_told_of_apart()
    {
        // Permitted by no name, forbidden by any.
        var byName = new PolicySubject { Signer = SignerName.Parse("k1") };
        var mine = new PolicySubject { SpiffeId = Spiffe.Net.SpiffeId.Parse("spiffe://t/a") };
        PolicyRule[] before = [Saying("star", RuleEffect.Permit, mine, "natsSubscribe a.*"), Saying("name", RuleEffect.Permit, byName, "natsSubscribe a.b.c"), Saying("not", RuleEffect.Forbid, byName, "natsSubscribe a.x q1")];
        var diff = PolicyDiff.Between(SmallWorld.Policy(before[..1]), SmallWorld.Policy(before), Samples.Now);
        var keyed = new Principal { Id = mine.SpiffeId!, Unknown = PrincipalAttributes.NamedSigner };
        Assert.Equal(["subscribe a.x without a.x q1"], Assert.Single(diff.On([keyed]).Lost, impact => impact.Change.Login is not null).Change.Login!.Subjects);
        Assert.Equal(["subscribe a.* without a.x q1"], Assert.Single(diff.On([keyed with { Unknown = 0, Signers = [byName.Signer!] }]).Lost, impact => impact.Change.Login is not null).Change.Login!.Subjects);
        Assert.Empty(diff.On([keyed with { Unknown = 0 }]).Lost);
    }

    private static PolicyRule Saying(string name, RuleEffect effect, PolicySubject subject, string capability) =>
        new() { Name = name, Effect = effect, Subjects = [subject], Capabilities = [Capability.Parse(capability)] };

    // Two of them with different subjects are more than fit.
    private static PolicyRule Crowded(Draw draw, PolicyRule rule)
    {
        var crowd = draw.Of(3);
        return rule.Effect == RuleEffect.Permit && draw.OneIn(2)
            ? rule with { Capabilities = [.. rule.Capabilities, .. Enumerable.Range(0, 300).Select(number => Capability.Parse($"natsPublish m.{crowd}.{number}"))] }
            : rule;
    }

    // False where the difference was not decided, and says so.
    private bool Check(Draw draw, CallerBoard who, LoginBoard what, PolicyRule[] before, PolicyRule[] after)
    {
        var moment = Board.Moments[draw.Of(Board.Moments.Length)];
        _pair = (before, after);
        var (was, will) = (SmallWorld.Policy(before), SmallWorld.Policy(after));
        var diff = PolicyDiff.Between(was, will, Samples.Now);
        if (!diff.IsComplete) return false;
        List<AuthorityChange> gained = [.. diff.Gained.Where(IsOfLogin)], lost = [.. diff.Lost.Where(IsOfLogin)];
        foreach (var change in gained) AssertDiffers(change, was, will);
        foreach (var change in lost) AssertDiffers(change, will, was);
        foreach (var caller in OfEachSort(who, before, after))
        {
            var (old, now) = (Told(what, was, caller, moment), Told(what, will, caller, moment));
            AssertTold(what, gained, caller, moment, old, now);
            AssertTold(what, lost, caller, moment, now, old);
            AssertAnswers(diff, caller, moment, old.Login?.Responses, now.Login?.Responses);
        }

        return true;
    }

    private static bool IsOfLogin(AuthorityChange change) => change.Kind == AuthorityChangeKind.Login;

    // What one policy makes of one caller: nothing is told of who is not let in.
    private sealed record Side(CapabilityPolicy Policy, NatsPermissions.Allowed? Login, bool[]? Current, bool[]? Older);

    private static Side Told(LoginBoard what, CapabilityPolicy policy, Principal caller, DateTimeOffset moment) =>
        NatsPermissions.For(policy, caller, moment) is NatsPermissions.Allowed login
            ? new Side(policy, login, what.Told(login, NatsServerKind.Current), what.Told(login, NatsServerKind.Older))
            : new Side(policy, null, null, null);

    private static void AssertTold(LoginBoard what, List<AuthorityChange> changes, Principal caller, DateTimeOffset moment, Side before, Side after)
    {
        var known = new Caller(caller);
        var about = changes.FindAll(change => change.RegionsFor(known).Any(region => known.IsIn(region) && IsAt(region, moment)));
        if (about.Count == 0 && after.Login is null) return;
        for (var at = 0; at < what.Points.Length; at++)
        {
            var point = what.Points[at];
            var (isNew, isNewOnOlder) = (after.Current?[at] == true && before.Current?[at] != true, after.Older?[at] == true && before.Older?[at] != true);
            var isUnexplained = (isNew || isNewOnOlder) && (point.IsInbox || what.IsPermitted(at, before.Policy, caller, moment) || !what.IsPermitted(at, after.Policy, caller, moment));
            AssertSame(isNew && isUnexplained, onOlder: false, point);
            AssertSame(isNewOnOlder && !isNew && isUnexplained, onOlder: true, point);
        }

        void AssertSame(bool gained, bool onOlder, LoginPoint point)
        {
            var told = about.Exists(change => change.Login!.IsOnOlder == onOlder && change.Login.Parts.Any(part => part.Means(point.Written)));
            if (gained != told) Assert.Fail($"{caller} at {moment:u}: {point} {(told ? "is told and not gained" : "is gained and not told")}{(onOlder ? " on older servers" : "")}");
        }
    }

    // How often and how long somebody may answer is a ceiling of the right.
    private static void AssertAnswers(PolicyDiff diff, Principal caller, DateTimeOffset moment, NatsResponses? before, NatsResponses? after)
    {
        if (before is null || after is null) return;
        var concerned = diff.CeilingsOn([caller]);
        var (more, less) = (after.MaxMessages > before.MaxMessages || after.Within > before.Within, after.MaxMessages < before.MaxMessages || after.Within < before.Within);
        if ((more && concerned.Gained.IsEmpty) || (less && concerned.Lost.IsEmpty)) Assert.Fail($"{caller} may answer as {before}, then as {after} at {moment:u}, and that is not told");
    }

    private static bool IsAt(Region region, DateTimeOffset moment) =>
        ((Identity.Policy.Analysis.Sets.RangeSet)region[Dimensions.Time]).Ranges.Any(range => range.First <= (UInt128)moment.UtcTicks && (UInt128)moment.UtcTicks <= range.Last);

    private static void AssertDiffers(AuthorityChange change, CapabilityPolicy was, CapabilityPolicy will)
    {
        var (principal, request, at) = change.Example!;
        Assert.False(IsTold(NatsPermissions.For(was, principal, at), request, change.Login!.IsOnOlder), $"{change} was told: {principal} {request}");
        Assert.True(IsTold(NatsPermissions.For(will, principal, at), request, change.Login.IsOnOlder), $"{change} is not told: {principal} {request}");
    }

    private static bool IsTold(NatsPermissions permissions, CapabilityRequest request, bool onOlder) => permissions is NatsPermissions.Allowed login && request switch
    {
        CapabilityRequest.NatsPublish publish => NatsMeaning.LetsThrough(login.Publish, publish.Subject.Text.Split('.'), null),
        CapabilityRequest.NatsRespond => login.Responses is not null,
        CapabilityRequest.NatsSubscribe subscribe => NatsMeaning.LetsThrough(onOlder ? login.SubscribeOnOlder : login.Subscribe, subscribe.Subject.Text.Split('.'), subscribe.Queue),
        _ => throw new InvalidOperationException($"{request}"),
    };

    // Of callers whom the same rules mean one will do.
    private static IEnumerable<Principal> OfEachSort(CallerBoard who, PolicyRule[] before, PolicyRule[] after)
    {
        var masks = before.Concat(after).SelectMany(rule => rule.Subjects.Select(subject => who.Meant(who.NumberOf(subject), rule.Effect == RuleEffect.Permit))).Distinct().ToList();
        var known = new HashSet<ulong>();
        for (var caller = 0; caller < who.Callers.Length; caller++)
        {
            var sort = 0ul;
            for (var i = 0; i < masks.Count; i++) sort |= (masks[i] >> caller & 1) << i;
            if (!known.Add(sort)) continue;
            yield return who.Callers[caller];
            if (who.Callers[caller] is { Unknown: PrincipalAttributes.None, Signers.Length: 0 } unsigned) yield return unsigned with { Unknown = PrincipalAttributes.NamedSigner };
        }
    }

    private static PolicyRule[] Rules(Draw draw, CallerBoard who, LoginBoard what)
    {
        var rules = new PolicyRule[draw.Of(7)];
        for (var i = 0; i < rules.Length; i++) rules[i] = Rule(draw, who, what, i);
        return rules;
    }

    private static PolicyRule Rule(Draw draw, CallerBoard who, LoginBoard what, int number)
    {
        var permits = draw.Of(10) < 6;
        var from = permits ? what.Permits : what.Forbids;
        return new PolicyRule
        {
            Name = Board.Names[number],
            Effect = permits ? RuleEffect.Permit : RuleEffect.Forbid,
            Mode = draw.Of(16) switch { 0 => RuleMode.Shadow, 1 => RuleMode.Warn, _ => RuleMode.Enforce },
            Subjects = draw.OneIn(4) ? [who.Subjects[draw.Of(who.Subjects.Length)], who.Subjects[draw.Of(who.Subjects.Length)]] : [who.Subjects[draw.Of(who.Subjects.Length)]],
            Capabilities = draw.OneIn(3) ? [from[draw.Of(from.Length)], from[draw.Of(from.Length)]] : [from[draw.Of(from.Length)]],
            Expires = permits && draw.OneIn(4) ? Board.Moments[0].AddHours(1 + draw.Of(2)) : null,
        };
    }

    private static PolicyRule[] After(Draw draw, CallerBoard who, LoginBoard what, PolicyRule[] before)
    {
        if (before.Length == 0) return Rules(draw, who, what);
        var at = draw.Of(before.Length);
        return draw.Of(6) switch
        {
            0 => Rules(draw, who, what),
            1 => [.. before[..at], .. before[(at + 1)..]],
            2 => [.. before, Rule(draw, who, what, before.Length)],
            3 => [.. before[..at], Rule(draw, who, what, at), .. before[(at + 1)..]],
            4 => [.. before[..at], before[at] with { Subjects = [who.Subjects[draw.Of(who.Subjects.Length)]] }, .. before[(at + 1)..]],
            _ => [.. before[..at], before[at] with { Mode = RuleMode.Enforce, Expires = null }, .. before[(at + 1)..]],
        };
    }
}
