using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>Words a refusal.</summary>
internal static class Explainer
{
    // A hostile component may import a thousand things; looking for near rules is the one slow part of saying no.
    private const int MaxExplained = 64;

    public static Refusal Forbidden(string capability, RankedRule forbid) =>
        new(capability, RefusalReason.Forbidden, $"rule {forbid.Reference} forbids it", forbid.Reference);

    public static Refusal NotGranted(string capability) => new(capability, RefusalReason.NotGranted, "no rule permits it");

    public static ImmutableArray<Refusal> WithNearestMisses(in Evaluator evaluator, List<Refusal> refusals)
    {
        for (var i = 0; i < Math.Min(refusals.Count, MaxExplained); i++)
        {
            if (refusals[i].Reason != RefusalReason.NotGranted) continue;
            var miss = InterfaceName.TryParse(refusals[i].Capability, out var import, out _)
                ? NearestMissFinder.ForImport(evaluator, import)
                : NearestMissFinder.ForStart(evaluator);
            refusals[i] = refusals[i] with { NearestMiss = miss };
        }

        return [.. refusals];
    }
}
