using Identity.Server.ComponentPolicy;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>The yeses that v1 hosts hold and never ask about again, as staged changes are tried on them: claims, for who holds them is nobody proven.</summary>
internal sealed class HeldAnswers(GivenAnswers given, TrustDomain trustDomain)
{
    /// <summary>Each with how many are held. Not those to a stop, which started nothing.</summary>
    /// <param name="until">Those given later were tried when they were given.</param>
    public IEnumerable<(StageClaim Claim, long Count)> Until(DateTimeOffset until)
    {
        // Many hosts hold the same: it is tried once.
        var held = given.ToList()
            .Where(answer => answer.Permitted && !answer.Request.IsStop && answer.At <= until)
            .GroupBy(answer => answer.Request with { RequestId = "", HostKey = "", MaxInstances = 1 });
        foreach (var same in held)
        {
            if (!PolicyQuestions.TryMap(same.Key, trustDomain, out var question, out _)) continue;
            var count = same.LongCount();
            foreach (var request in question.Requests) yield return (new StageClaim(question.Principal, request, DoorName.WasmCloudPolicyService.Text), count);
        }
    }
}
