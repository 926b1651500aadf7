using System.Collections.Immutable;
using System.Numerics;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>A rule in numbers of a board.</summary>
/// <param name="Moments">At how many of the board's moments it is in force, from the first on; forbids always are.</param>
/// <param name="Other">A second subject, or -1.</param>
/// <param name="Beside">A second capability, or -1.</param>
/// <param name="Fuel">Which of <see cref="Board.Fuels"/> it states.</param>
internal readonly record struct DrawnRule(bool Permits, RuleMode Mode, int Moments, int Subject, int Other, int Capability, int Beside, int Fuel)
{
    /// <summary>docs/policy.md, "Trying a rule out".</summary>
    public bool Decides => Mode == RuleMode.Enforce || (Mode == RuleMode.Warn && Permits);
}

/// <summary>
/// Callers and requests between which a policy is a table of bits: so small that a policy is enumerated in a microsecond, so that millions can
/// be. The meaning of every subject and capability is computed once, from the words of docs/policy.md; that of a policy is read off here.
/// </summary>
internal sealed class Board(CallerBoard who, RequestBoard what)
{
    public static readonly ImmutableArray<DateTimeOffset> Moments = [Samples.Now, Samples.Now.AddHours(1), Samples.Now.AddHours(2)];

    /// <summary>Nothing, less than what holds by default, just that, and more.</summary>
    public static readonly ImmutableArray<long?> Fuels = [null, 5, 1_000_000_000, 2_000_000_000];

    private static readonly DateTimeOffset?[] Ends = [Samples.Now.AddHours(-1), Samples.Now.AddHours(1), Samples.Now.AddHours(2), null];

    private static readonly ImmutableArray<Board> All = [.. from who in CallerBoard.All from what in RequestBoard.All select new Board(who, what)];

    public CallerBoard Who => who;

    public RequestBoard What => what;

    public static Board Of(Draw draw) => All[draw.Of(All.Length)];

    public DrawnRule Rule(Draw draw, bool ceilings)
    {
        var permits = draw.Of(10) < 6;
        return new DrawnRule(
            permits,
            draw.Of(16) switch { 0 => RuleMode.Off, 1 => RuleMode.Shadow, 2 or 3 => RuleMode.Warn, _ => RuleMode.Enforce },
            permits && draw.OneIn(3) ? draw.Of(3) : Moments.Length,
            draw.Of(who.Subjects.Length), draw.OneIn(4) ? draw.Of(who.Subjects.Length) : -1,
            draw.Of(what.Capabilities.Length), draw.OneIn(3) ? draw.Of(what.Capabilities.Length) : -1,
            permits && ceilings ? draw.Of(Fuels.Length) : 0);
    }

    public DrawnRule[] Rules(Draw draw, int most, bool ceilings = false)
    {
        var rules = new DrawnRule[draw.Of(most + 1)];
        for (var i = 0; i < rules.Length; i++) rules[i] = Rule(draw, ceilings);
        return rules;
    }

    /// <summary>A later revision of a policy, or mostly another one.</summary>
    public DrawnRule[] After(Draw draw, DrawnRule[] before, int most, bool ceilings = false)
    {
        var at = before.Length == 0 ? 0 : draw.Of(before.Length);
        return before.Length == 0 ? Rules(draw, most, ceilings) : draw.Of(8) switch
        {
            0 or 1 => Rules(draw, most, ceilings),
            2 or 3 => [.. before[..at], .. before[(at + 1)..]],
            4 => [.. before, Rule(draw, ceilings)],
            5 => [.. before[..at], Rule(draw, ceilings), .. before[(at + 1)..]],
            6 => [.. before[..at], before[at] with { Subject = draw.Of(who.Subjects.Length), Moments = Moments.Length }, .. before[(at + 1)..]],
            _ => [.. before[..at], before[at] with { Capability = draw.Of(what.Capabilities.Length), Fuel = before[at].Permits && ceilings ? draw.Of(Fuels.Length) : 0 }, .. before[(at + 1)..]],
        };
    }

    public PolicyRule[] Written(DrawnRule[] rules)
    {
        var written = new PolicyRule[rules.Length];
        for (var i = 0; i < rules.Length; i++)
        {
            var rule = rules[i];
            written[i] = new PolicyRule
            {
                Name = Names[i],
                Effect = rule.Permits ? RuleEffect.Permit : RuleEffect.Forbid,
                Mode = rule.Mode,
                Subjects = rule.Other < 0 ? [who.Subjects[rule.Subject]] : [who.Subjects[rule.Subject], who.Subjects[rule.Other]],
                Capabilities = rule.Beside < 0 ? [what.Capabilities[rule.Capability]] : [what.Capabilities[rule.Capability], what.Capabilities[rule.Beside]],
                Expires = rule.Permits ? Ends[rule.Moments] : null,
                Ceilings = rule.Fuel == 0 ? StatedCeilings.None : new StatedCeilings { Fuel = Fuels[rule.Fuel] },
            };
        }

        return written;
    }

    public CapabilityPolicy Policy(DrawnRule[] rules) => SmallWorld.Policy(Written(rules));

    public ulong CallersOf(DrawnRule rule) => who.Meant(rule.Subject, rule.Permits) | (rule.Other < 0 ? 0 : who.Meant(rule.Other, rule.Permits));

    public ulong AskedOf(DrawnRule rule) => what.Asked(rule.Capability, rule.Permits) | (rule.Beside < 0 ? 0 : what.Asked(rule.Beside, rule.Permits));

    /// <summary>Whether the rules allow one caller one request, be it of the board or not.</summary>
    public bool Allows(ReadOnlySpan<DrawnRule> rules, int caller, CapabilityRequest request, int moment)
    {
        var (permitting, forbidding) = what.About(request);
        var isPermitted = false;
        foreach (var rule in rules)
        {
            var capabilities = 1ul << rule.Capability | (rule.Beside < 0 ? 0 : 1ul << rule.Beside);
            if (!rule.Decides || rule.Moments <= moment || (CallersOf(rule) >> caller & 1) == 0 || (capabilities & (rule.Permits ? permitting : forbidding)) == 0) continue;
            if (!rule.Permits) return false;
            isPermitted = true;
        }

        return isPermitted;
    }

    /// <summary>Names by number: <c>r0</c>, <c>r1</c> and so on, the names of <see cref="Written"/>.</summary>
    public static readonly ImmutableArray<string> Names = [.. Enumerable.Range(0, 16).Select(number => $"r{number}")];

    /// <summary>The numbers of the bits that are set.</summary>
    public static Bits Each(ulong bits) => new(bits);

    public struct Bits(ulong left)
    {
        public int Current { get; private set; }

        public readonly Bits GetEnumerator() => this;

        public bool MoveNext()
        {
            if (left == 0) return false;
            Current = BitOperations.TrailingZeroCount(left);
            left &= left - 1;
            return true;
        }
    }
}
