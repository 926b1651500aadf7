namespace Identity.Policy.Evaluation;

/// <summary>Words a refusal.</summary>
internal static class Explainer
{
    public static Refusal Forbidden(string capability, RuleReference forbid) =>
        new(capability, RefusalReason.Forbidden, $"rule {forbid} forbids it", forbid);

    public static Refusal NotGranted(string capability) => new(capability, RefusalReason.NotGranted, "no rule permits it");
}
