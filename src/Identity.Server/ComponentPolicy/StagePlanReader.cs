using Google.Protobuf.Collections;
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Server.Registration;
using Identity.V1;
using Status = Grpc.Core.Status;
using Step = Identity.Ledger.V1.PolicyStage.Types.Step;

namespace Identity.Server.ComponentPolicy;

/// <summary>How a change is to be tried, between a caller's words and the ledger's.</summary>
internal static class StagePlanReader
{
    private const uint MaxSoakSeconds = 30 * 86400;

    /// <exception cref="RpcException">Such a change cannot be tried, or not so.</exception>
    public static PolicyStagePlan Read(PolicyEdit edit, uint soakSeconds, RepeatedField<string> through)
    {
        if (edit.TouchesRoles) throw Invalid("roles are not staged: who may change policy has no effect on what runs");
        if (soakSeconds is 0 or > MaxSoakSeconds) throw Invalid($"soak_seconds is {soakSeconds}; expected 1 to {MaxSoakSeconds}");
        var plan = new PolicyStagePlan { SoakSeconds = soakSeconds };
        plan.Through.AddRange(through.Count == 0 ? [Step.Shadow, Step.Warn, Step.Enforce] : through.Select(Read));
        return plan.Through.Zip(plan.Through.Skip(1)).All(pair => pair.First < pair.Second)
            ? plan
            : throw Invalid("the steps are not in order, each at most once; expected shadow, warn, enforce");
    }

    public static StagePlan? Text(PolicyStagePlan? plan) =>
        plan is null ? null : new StagePlan { SoakSeconds = plan.SoakSeconds, Through = { plan.Through.Select(Word) } };

    public static string Word(Step step) => step switch { Step.Shadow => "shadow", Step.Warn => "warn", Step.Enforce => "enforce", _ => "unknown" };

    private static Step Read(string word) => word switch
    {
        "shadow" => Step.Shadow,
        "warn" => Step.Warn,
        "enforce" => Step.Enforce,
        _ => throw Invalid($"{Quote.From(word)} is no step; expected shadow, warn and enforce, in this order"),
    };

    private static RpcException Invalid(string problem) => new(new Status(StatusCode.InvalidArgument, problem));
}
