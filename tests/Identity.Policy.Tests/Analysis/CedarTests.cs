using CsCheck;
using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis;

/// <summary>Cedar, given what we export, answers as we do (docs/policy-verification.md).</summary>
public sealed class CedarTests
{
    private const int PoliciesOfAKind = 8;
    private const int QuestionsOfAPolicy = 25;

    [Fact]
    public void Cedar_reads_every_exported_policy_and_gives_the_same_answers()
    {
        using var cedar = CedarEngine.OrSkip();
        var asked = 0;
        for (var kind = 0; kind < SmallWorld.Kinds.Length; kind++)
        {
            // Cedar's resource is one thing: requests for patterns of names have no place there.
            CapabilityRequest[] requests = [.. SmallWorld.Kinds[kind].Requests.Where(request => !request.ToString().Contains('*', StringComparison.Ordinal))];
            var question = Gen.Select(Gen.Int[0, SmallWorld.Principals.Length - 1], Gen.Int[0, requests.Length - 1], Gen.Int[0, SmallWorld.Moments.Length - 1]).Array[QuestionsOfAPolicy];
            Cases.Each(Gen.Select(SmallWorld.Rules(kind, 8), question), Cases.Times(PoliciesOfAKind), drawn =>
            {
                var (rules, questions) = drawn;
                var policy = SmallWorld.Policy(rules);
                cedar.Parse("p", CedarExport.Write(policy));
                foreach (var (caller, request, moment) in questions)
                {
                    var (principal, asks, at) = (SmallWorld.Principals[caller], requests[request], SmallWorld.Moments[moment]);
                    var ours = NatsRights.Decide(policy, principal, asks, at).Allowed;
                    Assert.True(ours == cedar.Allows(CedarCall.Of("p", principal, asks, at)), $"{SubjectText.Of(principal)} asks for {asks} at {at:u}: we say {ours}\n{CedarExport.Write(policy)}");
                    asked++;
                }
            });
        }

        Assert.Equal(SmallWorld.Kinds.Length * Cases.Times(PoliciesOfAKind) * QuestionsOfAPolicy, asked);
    }

    [Fact]
    public void Texts_that_mean_something_to_Cedar_are_only_text()
    {
        using var cedar = CedarEngine.OrSkip();
        var policy = Samples.Rules(("permit", $"spiffeId: {Samples.Greeter}", """{ natsPublish: 'a."quoted\.b' }, { audience: 'https://x/"\y' }, { config: 'a/"b\/*' }"""));
        cedar.Parse("q", CedarExport.Write(policy));
        (string Request, bool Allowed)[] asked =
        [
            ("""natsPublish a."quoted\.b""", true), ("""audience https://x/"\y""", true), ("audience https://x/y", false), ("""config a/"b\/c""", true), ("config a/b/c", false),
        ];
        foreach (var (request, allowed) in asked)
            Assert.Equal(allowed, cedar.Allows(CedarCall.Of("q", new Principal { Id = Samples.Greeter }, CapabilityRequest.Parse(request), Samples.Now)));
    }
}
