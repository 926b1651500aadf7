using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

/// <summary>What became of one expectation.</summary>
/// <param name="Found">What was decided, as a sentence.</param>
/// <param name="Explanation">Why, when it is not what was expected; else null.</param>
public sealed record PolicyTestResult(string Document, PolicyTestCase Case, bool Passed, string Found, Explanation? Explanation);

/// <summary>Runs expectations against a policy. What policy permits and nats-server refuses all the same is not allowed to be expected.</summary>
public static class PolicyTests
{
    public static ImmutableArray<PolicyTestResult> Run(CapabilityPolicy policy, IEnumerable<PolicyTestDocument> documents, DateTimeOffset now) =>
        [.. documents.SelectMany(document => document.Cases.Select(test => Run(policy, document.Name, test, now)))];

    private static PolicyTestResult Run(CapabilityPolicy policy, string document, PolicyTestCase test, DateTimeOffset now)
    {
        var at = test.At ?? now;
        var decision = NatsRights.Decide(policy, test.Principal, test.Request, at);
        var refused = decision.Allowed && test.Allow ? NatsRights.WhyRefusedOnNats(policy, test.Principal, test.Request, at) : null;
        var passed = decision.Allowed == test.Allow && (test.By is null || test.By == decision.Determining) && refused is null;
        var by = decision.Determining is { } rule ? $" by rule {rule}" : "";
        var found = decision.Allowed ? $"allowed{by}{(decision.Warned ? $", with a warning of rule {decision.Warning}" : "")}{(refused is null ? "" : $", but {refused}")}"
            : decision.Reason == RefusalReason.Forbidden ? $"forbidden{by}" : "denied: no rule permits it";
        return new PolicyTestResult(document, test, passed, found, passed || refused is not null ? null : NatsRights.Explain(policy, test.Principal, test.Request, at));
    }
}
