using CsCheck;
using Identity.Policy.Tests.Analysis;

namespace Identity.Policy.Tests.Language;

/// <summary>Requests for several things at once find every rule about whoever asks, and look at none about others.</summary>
public sealed class WideRequestTests
{
    private const string Greeter = "spiffeId: spiffe://example.org/components/greeter";

    private static readonly Principal Untold = new() { Id = Samples.Greeter, Unknown = PrincipalAttributes.Signer | PrincipalAttributes.Image };

    [Theory]
    [InlineData("connect *:*", "connect: api.example.com:443")]
    [InlineData("connect *.example.com:443", "connect: api.example.com:1-1000")]
    [InlineData("connect 0.0.0.0/0:*", "connect: 169.254.169.254:80")]
    [InlineData("connect [::]/0:*", "connect: \"[2001:db8::1]:80\"")]
    [InlineData("resolve *", "resolve: api.example.com")]
    [InlineData("resolve *.example.com", "resolve: api.example.com")]
    [InlineData("natsPublish orders.*", "natsPublish: orders.new")]
    [InlineData("config db/*", "config: db/host")]
    [InlineData("mount /var/*", "mount: /var/data")]
    public void What_is_forbidden_of_it_is_found_by_whatever_the_rule_names_its_subject(string asked, string forbidden)
    {
        var request = CapabilityRequest.Parse(asked);
        var everything = request.ToCapability();
        foreach (var subject in new[] { Greeter, "spiffeIdPrefix: spiffe://example.org", "signer: somebody", "image: ghcr.io/acme/greeter:1", "imagePrefix: ghcr.io" })
        {
            var permit = ("permit", Greeter, everything.WhyNotGrantable() is null ? everything.ToYaml() : "start");
            Assert.Equal(everything.WhyNotGrantable() is null, PolicyDecision.Decide(Samples.Rules(permit), Untold, request, Samples.Now).Allowed);
            var decision = PolicyDecision.Decide(Samples.Rules(permit, ("forbid", subject, forbidden)), Untold, request, Samples.Now);
            Assert.True(decision is { Allowed: false, Reason: RefusalReason.Forbidden }, $"{subject} {forbidden}");
        }
    }

    public static TheoryData<string> Kinds => ["natsPublish", "natsSubscribe", "connect", "resolve", "config", "secret", "mount"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_index_hands_out_every_clause_that_matters_once(string kind)
    {
        Capability[] capabilities = [.. PlainMeaning.Patterns.Concat(PlainMeaning.Things.Where((_, at) => at % 3 == 0)).Concat(PlainMeaning.Wide).Concat(Wider).Where(IsOfKind).Select(Capability.Parse).Distinct()];
        CapabilityRequest[] requests = [.. PlainMeaning.Patterns.Concat(PlainMeaning.Wide).Concat(Wider).Where(IsOfKind).Select(text => CapabilityRequest.TryParse(text, out var request, out _) ? request : null!).Where(request => request is not null)];
        Assert.True(requests.Count(request => request.ToString().ContainsAny('*', '>')) > 3);
        var words = WordWorld.Of([.. capabilities.Select(capability => $"{capability}"), .. requests.Select(request => $"{request}")]);
        var gen = Gen.Select(Gen.Int[0, capabilities.Length - 1], Gen.Int[0, 3]).Array[0, 150];
        Cases.Each(gen, Cases.Times(40), picks =>
        {
            var policy = SmallWorld.Policy([.. picks.Select((pick, at) => new PolicyRule
            {
                Name = $"r{at}",
                // Mostly few forbids, in every fourth policy many.
                Effect = pick.Item2 == 0 || picks.Length % 4 == 0 ? RuleEffect.Forbid : RuleEffect.Permit,
                Subjects = [pick.Item2 == 1 ? new PolicySubject { SpiffeId = Samples.Greeter } : new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org") }],
                Capabilities = [capabilities[pick.Item1]],
            })]);
            foreach (var request in requests)
            {
                var handed = new Handed([]);
                policy.ClauseIndex.Find(Untold, request, Samples.Now, ref handed);
                Assert.Equal(handed.Clauses.Count, handed.Clauses.Distinct<PolicyClause>(ReferenceEqualityComparer.Instance).Count());
                var missing = policy.ClauseList.Except<PolicyClause>(handed.Clauses, ReferenceEqualityComparer.Instance)
                    .Where(clause => clause.Effect == RuleEffect.Permit ? words.Matches($"{clause.Capability}", $"{request}") : words.Touches($"{clause.Capability}", $"{request}"));
                Assert.True(!missing.Any(), $"{request} does not find {string.Join(", ", missing.Select(clause => $"{clause.Effect} {clause.Capability}"))}");
            }
        });

        bool IsOfKind(string text) => text.StartsWith(kind + " ", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("natsPublish t500.>", 1)]
    [InlineData("natsPublish t500.*.c", 2)]
    [InlineData("natsPublish *.b.c", 3)]
    [InlineData("natsSubscribe >", 3)]
    [InlineData("connect *.h500.example.com:443", 3)]
    [InlineData("connect *:443", 3)]
    [InlineData("connect 10.0.0.0/24:443", 3)]
    [InlineData("connect 10.0.0.0/7:443", 3)]
    [InlineData("resolve *.h500.example.com", 3)]
    [InlineData("config d500/*", 3)]
    [InlineData("secret *", 3)]
    [InlineData("mount /d500/*", 3)]
    public void Of_a_thousand_rules_about_other_things_only_a_few_are_looked_at(string asked, int most)
    {
        static PolicyRule Rule(string name, RuleEffect effect, params string[] capabilities) => new()
        {
            Name = name,
            Effect = effect,
            Subjects = [new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org") }],
            Capabilities = [.. capabilities.Select(Capability.Parse)],
        };

        var policy = SmallWorld.Policy(
        [
            .. Enumerable.Range(0, 1_000).Select(number => Rule(
                $"r{number}", RuleEffect.Permit, $"natsPublish t{number}.*.c", $"natsSubscribe t{number}.b", $"connect *.h{number}.example.com:443", $"connect 10.{number / 256}.{number % 256}.0/24:443",
                $"resolve *.h{number}.example.com", $"config d{number}/*", $"secret d{number}/*", $"mount /d{number}/*")),
            Rule("guard", RuleEffect.Forbid, "natsPublish t7.b.c", "natsSubscribe t7.b", "connect bad.example.org:443", "connect 10.9.9.9:443", "resolve bad.example.org", "config d7/x", "secret d7/x", "mount /d7/x"),
        ]);
        var handed = new Handed([]);
        policy.ClauseIndex.Find(Untold, CapabilityRequest.Parse(asked), Samples.Now, ref handed);
        Assert.InRange(handed.Clauses.Count, 0, most);
    }

    private static readonly string[] Wider =
    [
        "natsPublish >", "natsPublish a.>", "natsPublish *.b", "natsPublish *.>", "natsPublish a.*.*", "natsPublish zz.>", "natsSubscribe *.>", "natsSubscribe a.*.b", "natsSubscribe *.*.* q",
        "connect *:*", "connect *.x:1-65535", "connect *.zz.a.x:443", "connect 0.0.0.0/0:*", "connect [::]/0:*", "connect [2001:db8::]/32:443", "connect 10.0.0.0/30:443", "connect 8.0.0.0/5:443",
        "resolve *", "resolve *.a.x", "resolve *.zz.a.x", "resolve *.y.x", "config *", "config a/b/*", "config b/*", "secret *", "secret a/*", "secret b/a/*", "mount /*", "mount /a/b/*", "mount /b/*",
    ];

    private readonly struct Handed(List<PolicyClause> clauses) : Evaluation.IClauseSink
    {
        public List<PolicyClause> Clauses => clauses;

        public void Add(PolicyClause clause, Principal principal, CapabilityRequest request) => clauses.Add(clause);
    }
}
