namespace Identity.Policy.Evaluation;

/// <summary>Finds the permit that came closest to a refused capability, among a bounded number of candidates.</summary>
internal static class NearestMissFinder
{
    public static NearestMiss? For(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now, out PrincipalAttributes untold) =>
        NearestClause.Find(policy.ForExplaining.Candidates(principal, request), principal, request, now, out untold);

    public static NearestMiss? ForNats(in Evaluator evaluator, NatsSubject subject, bool publish)
    {
        CapabilityRequest request = publish ? new CapabilityRequest.NatsPublish(subject) : new CapabilityRequest.NatsSubscribe(subject);
        return NearestClause.Find(
            evaluator.Policy.ForExplaining.Candidates(evaluator.Principal, request), evaluator.Principal, request, evaluator.Now, out _);
    }

    /// <summary>Of a login, for which any subject would do.</summary>
    public static NearestMiss? ForLogin(in Evaluator evaluator, out PrincipalAttributes untold) => NearestClause.Find(
        evaluator.Policy.ForExplaining.Candidates(evaluator.Principal, request: null), evaluator.Principal, request: null, evaluator.Now, out untold);
}
