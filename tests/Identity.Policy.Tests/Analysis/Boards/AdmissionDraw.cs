namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>Random policies about all that a start is asked about, in numbers of <see cref="AdmissionBoard"/>.</summary>
internal static class AdmissionDraw
{
    public static AdmissionRule[] Rules(Draw draw, CallerBoard who)
    {
        var rules = new AdmissionRule[draw.Of(7)];
        for (var i = 0; i < rules.Length; i++) rules[i] = Rule(draw, who);
        return rules;
    }

    private static AdmissionRule Rule(Draw draw, CallerBoard who)
    {
        var permits = !draw.OneIn(8);
        var capabilities = 1u << draw.Of(AdmissionBoard.Capabilities.Length);
        while (draw.OneIn(2)) capabilities |= 1u << draw.Of(AdmissionBoard.Capabilities.Length);
        return new AdmissionRule(
            permits, draw.Of(10) switch { 0 => RuleMode.Shadow, 1 => RuleMode.Warn, _ => RuleMode.Enforce }, permits && draw.OneIn(4) ? draw.Of(3) : Board.Moments.Length,
            draw.Of(who.Subjects.Length), capabilities, permits && draw.OneIn(2) ? draw.Of(AdmissionBoard.Fuels.Length) : 0, permits && draw.OneIn(3) ? draw.Of(AdmissionBoard.Memories.Length) : 0);
    }

    /// <summary>Revisions: a rule gone or new, a ceiling stated otherwise or no more, a permit that ends at another time, or all of it another.</summary>
    public static AdmissionRule[] After(Draw draw, CallerBoard who, AdmissionRule[] before)
    {
        if (before.Length == 0) return Rules(draw, who);
        var at = draw.Of(before.Length);
        return draw.Of(9) switch
        {
            0 => Rules(draw, who),
            1 or 2 => [.. before[..at], .. before[(at + 1)..]],
            3 => [.. before, Rule(draw, who)],
            4 => With(Rule(draw, who)),
            5 when before[at].Permits => With(before[at] with { Moments = draw.Of(Board.Moments.Length + 1) }),
            _ when before[at].Permits => With(before[at] with { Fuel = draw.Of(AdmissionBoard.Fuels.Length), Memory = draw.Of(AdmissionBoard.Memories.Length) }),
            _ => [.. before[..at], .. before[(at + 1)..]],
        };

        AdmissionRule[] With(AdmissionRule rule) => [.. before[..at], rule, .. before[(at + 1)..]];
    }

    public static PolicyRule[] Written(CallerBoard who, AdmissionRule[] rules) =>
    [
        .. rules.Select((rule, number) => new PolicyRule
        {
            Name = Board.Names[number],
            Effect = rule.Permits ? RuleEffect.Permit : RuleEffect.Forbid,
            Mode = rule.Mode,
            Subjects = [who.Subjects[rule.Subject]],
            Capabilities = [.. AdmissionBoard.Capabilities.Where((_, capability) => (rule.Capabilities >> capability & 1) != 0)],
            Expires = rule.Permits && rule.Moments < Board.Moments.Length ? Samples.Now.AddHours(rule.Moments == 0 ? -1 : rule.Moments) : null,
            Ceilings = rule.Fuel == 0 && rule.Memory == 0 ? StatedCeilings.None : new StatedCeilings { Fuel = AdmissionBoard.Fuels[rule.Fuel], MemoryBytes = AdmissionBoard.Memories[rule.Memory] },
        }),
    ];
}
