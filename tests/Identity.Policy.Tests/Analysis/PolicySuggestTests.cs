using CsCheck;
using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis;

/// <summary>What is suggested allows what was seen, and nothing else.</summary>
public sealed class PolicySuggestTests
{
    public static TheoryData<int> Kinds => [.. Enumerable.Range(0, SmallWorld.Kinds.Length)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_suggestion_allows_what_was_seen_and_nothing_else(int kind)
    {
        var requests = SmallWorld.Kinds[kind].Requests;
        var callers = SmallWorld.Principals.Where(principal => principal.Id.HasPath).ToArray();
        var gen = Gen.Select(Gen.Int[0, callers.Length - 1], Gen.Int[0, requests.Length - 1]).Array[1, 6];
        Cases.Each(gen, Cases.Times(60), picks =>
        {
            Observation[] seen = [.. picks.Select(pick => new Observation(callers[pick.Item1], requests[pick.Item2]))];
            var suggestion = PolicySuggest.For(CapabilityPolicy.Empty, seen, Samples.Now);
            Assert.Equal(suggestion.Source, PolicySuggest.For(CapabilityPolicy.Empty, seen.Reverse(), Samples.Now).Source);
            var policy = suggestion.Source is { } source ? Samples.Policy(source) : CapabilityPolicy.Empty;
            foreach (var principal in callers)
            {
                foreach (var request in requests)
                {
                    var expected = seen.Any(one => one.Principal.Id.Equals(principal.Id) && (DigestOf(one.Principal) is not { } digest || digest == DigestOf(principal))
                        && one.Request.ToCapability().WhyNotGrantable() is null && one.Request.ToCapability().Matches(request));
                    // Accesses to one thing that were seen one by one may then be asked for together.
                    if (!expected && request.ToString().Contains(',', StringComparison.Ordinal)) continue;
                    Assert.Equal(expected, PolicyDecision.Decide(policy, principal, request, Samples.Now).Allowed);
                }
            }
        });
    }

    [Fact]
    public void Reads_as_a_person_would_have_written_it()
    {
        var seen = Seen(
            "natsPublish orders.new", "natsPublish orders.*", "stream ORDERS info", "stream ORDERS read", "import wasi:keyvalue/store@0.2.0#get",
            "import wasi:keyvalue/store@0.2.0", "connect api.example.com:443");
        Assert.Equal(
            """
            # Suggested from what was seen; read it before it is applied.
            kind: CapabilityPolicy
            name: suggested
            rules:
              - name: greeter
                effect: permit
                subjects:
                  - spiffeId: spiffe://example.org/components/greeter
                capabilities:
                  - connect: api.example.com:443
                  - import: wasi:keyvalue/store@0.2.0
                  - natsPublish: orders.*
                  - { stream: ORDERS, access: [info, read] }

            """,
            PolicySuggest.For(CapabilityPolicy.Empty, seen, Samples.Now).Source);
    }

    [Fact]
    public void A_component_is_admitted_by_what_is_suggested_for_it()
    {
        var start = Samples.Start("wasi:io/poll@0.2.3", "wasi:http/types@0.2.0");
        var suggestion = PolicySuggest.For(CapabilityPolicy.Empty, PolicySuggest.ToStart(start), Samples.Now);
        var policy = Samples.Policy(suggestion.Source!);
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, start, Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, start with { Digest = Samples.OtherDigest }, Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, Samples.Start("wasi:io/poll@0.2.3", "wasi:cli/stdin@0.2.0"), Samples.Now));
    }

    [Fact]
    public void What_is_granted_already_is_left_out_and_what_is_forbidden_or_never_granted_is_said()
    {
        var policy = Samples.Rules(("permit", $"spiffeId: {Samples.Greeter}", "{ natsPublish: a.b }"), ("forbid", $"spiffeId: {Samples.Greeter}", "{ natsPublish: a.c }"));
        var suggestion = PolicySuggest.For(policy, Seen("natsPublish a.b", "natsPublish a.c", "natsPublish $SYS.x"), Samples.Now);
        Assert.Null(suggestion.Source);
        Assert.Equal(2, suggestion.Left.Length);
        Assert.Contains("rule sample/rule-1 forbids it", suggestion.Left[1], StringComparison.Ordinal);
    }

    private static IEnumerable<Observation> Seen(params string[] requests) =>
        requests.Select(request => new Observation(new Principal { Id = Samples.Greeter }, CapabilityRequest.Parse(request)));

    private static ComponentDigest? DigestOf(Principal principal) => (principal.Unknown & PrincipalAttributes.Digest) == 0 ? principal.Digest : null;
}
