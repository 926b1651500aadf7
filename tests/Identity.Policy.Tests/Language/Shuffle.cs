using CsCheck;

namespace Identity.Policy.Tests.Language;

/// <summary>The same said in another order: of documents, of their rules and labels, and of all that a rule or a label lists.</summary>
internal static class Shuffle
{
    private const int MostDocuments = 3;

    /// <summary>The rules and labels spread over one to three documents, as they come, and shuffled.</summary>
    public static Gen<(PolicyDocument[] Plain, PolicyDocument[] Shuffled)> Of(PolicyRule[] rules, LabelAssignment[] labels) =>
        Gen.Int[1, MostDocuments].SelectMany(documents => Gen.Int[0, documents - 1].Array[rules.Length + labels.Length]).SelectMany(where =>
        {
            PolicyDocument[] plain =
            [
                .. where.Append(0).Distinct().Order().Select(document => new PolicyDocument
                {
                    Name = $"p{document}",
                    Rules = [.. rules.Where((_, rule) => where[rule] == document)],
                    Labels = [.. labels.Where((_, label) => where[rules.Length + label] == document)],
                    Source = "",
                }),
            ];
            return Each(plain, Shuffled).SelectMany(Gen.Shuffle).Select(shuffled => (plain, shuffled));
        });

    private static Gen<PolicyDocument> Shuffled(PolicyDocument document) => Gen.Select(
        Each([.. document.Rules], Shuffled).SelectMany(Gen.Shuffle), Each([.. document.Labels], Shuffled).SelectMany(Gen.Shuffle),
        (rules, labels) => document with { Rules = [.. rules], Labels = [.. labels] });

    private static Gen<PolicyRule> Shuffled(PolicyRule rule) => Gen.Select(
        Gen.Shuffle(rule.Subjects.ToArray()), Gen.Shuffle(rule.Capabilities.ToArray()), (subjects, capabilities) => rule with { Subjects = [.. subjects], Capabilities = [.. capabilities] });

    private static Gen<LabelAssignment> Shuffled(LabelAssignment label) => Gen.Shuffle(label.Subjects.ToArray()).Select(subjects => label with { Subjects = [.. subjects] });

    private static Gen<T[]> Each<T>(T[] values, Func<T, Gen<T>> shuffled) => values.Aggregate(
        Gen.Const(Array.Empty<T>()), (before, value) => Gen.Select(before, shuffled(value), (T[] all, T one) => (T[])[.. all, one]));
}
