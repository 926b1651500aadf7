using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>How much of what all documents of a policy share is used; beyond a limit a policy denies everything.</summary>
/// <param name="Combinations">Of rules, subjects, capabilities and labels; at most <see cref="MaxCombinations"/>.</param>
/// <param name="LabelSteps">Subjects put beside one another to learn who has several labels; at most <see cref="MaxLabelSteps"/>.</param>
/// <param name="SignerKeys">Keys that rules name as signers; at most <see cref="CapabilityPolicy.MaxSignerKeys"/>.</param>
public readonly record struct PolicyUsage(int Combinations, int LabelSteps, int SignerKeys)
{
    public const int MaxCombinations = ClauseBuilder.MaxClauses;

    public const int MaxLabelSteps = LabelExpansion.MaxSteps;
}
