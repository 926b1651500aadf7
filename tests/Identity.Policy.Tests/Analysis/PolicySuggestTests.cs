using CsCheck;
using Identity.Policy.Analysis;
using Identity.Policy.Tests.Language;
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
        // As capabilities they say how often and how soon they answer.
        var words = WordWorld.Of([.. requests.Select(request => $"{request}"), .. requests.Select(request => $"{request.ToCapability()}")]);
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
                        && PlainMeaning.IsGrantable($"{one.Request.ToCapability()}") && words.Matches($"{one.Request.ToCapability()}", $"{request}"));
                    // Accesses to one thing that were seen one by one may then be asked for together.
                    if (!expected && request.ToString().Contains(',', StringComparison.Ordinal)) continue;
                    Assert.Equal(expected, NatsRights.Decide(policy, principal, request, Samples.Now).Allowed);
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
    public void A_component_is_granted_the_functions_it_imports_to_the_bytes_that_import_them()
    {
        var suggestion = PolicySuggest.For(CapabilityPolicy.Empty, PolicySuggest.ToStart(Greeting), Samples.Now);
        Assert.Equal(
            $"""
            # Suggested from what was seen; read it before it is applied.
            kind: CapabilityPolicy
            name: suggested
            rules:
              - name: greeter
                effect: permit
                subjects:
                  - spiffeId: spiffe://example.org/components/greeter
                    digest: {Samples.Digest.Text}
                capabilities:
                  - export: 'wasi:cli/run@0.2.0#run'
                  - import: 'wasi:http/types@0.2.0#[method]fields.get'
                  - import: 'wasi:http/types@0.2.0#drop'
                  - import: wasi:io/error@0.2.0

            """,
            suggestion.Source);
        var policy = Samples.Policy(suggestion.Source!);
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, Greeting, Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, Greeting with { Digest = Samples.OtherDigest }, Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, Importing(["drop", "[method]fields.get", "[method]fields.set"]), Samples.Now));
        foreach (var line in suggestion.Source!.Split('\n').Where(line => line.StartsWith("      - import", StringComparison.Ordinal)))
        {
            // Every line of it is needed: it is the least.
            var less = Samples.Policy(suggestion.Source.Replace(line + "\n", "", StringComparison.Ordinal));
            Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(less, Greeting, Samples.Now));
        }
    }

    [Fact]
    public void Whatever_its_bytes_a_component_is_granted_whole_interfaces()
    {
        var suggestion = PolicySuggest.For(CapabilityPolicy.Empty, PolicySuggest.ToStart(Greeting, wholeInterfaces: true), Samples.Now, pinDigest: false);
        Assert.Equal(
            ["export: 'wasi:cli/run@0.2.0#run'", "import: wasi:http/types@0.2.0", "import: wasi:io/error@0.2.0"],
            suggestion.Source!.Split('\n').Where(line => line.StartsWith("      - ", StringComparison.Ordinal) && !line.Contains("spiffeId", StringComparison.Ordinal)).Select(line => line[8..]));
        Assert.DoesNotContain("digest", suggestion.Source, StringComparison.Ordinal);
        var next = Importing(["[method]fields.set"]) with { Digest = Samples.OtherDigest };
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(Samples.Policy(suggestion.Source), next, Samples.Now));
    }

    [Theory]
    [InlineData("run", null, "export #run")]
    [InlineData("run", "wasi:cli/run@0.2.3", "export #run")]
    [InlineData("init", "wasi:cli/run@0.2.3", "export wasi:cli/run@0.2.0#run")]
    [InlineData("init", "wasi:http/incoming-handler@0.2.0", null)]
    public void Of_exports_only_what_the_host_calls_is_granted(string function, string? instance, string? called)
    {
        var start = Greeting with
        {
            Imports = new ComponentImports([])
            {
                Exports = [new ComponentExport(function, ImportKind.Function, []), .. instance is null ? (ComponentExport[])[] : [new ComponentExport(instance, ImportKind.Instance, ["run", "handle"])]],
            },
        };
        Assert.Equal(called is null ? ["start"] : ["start", called], PolicySuggest.ToStart(start).Select(seen => seen.Request.ToString()));
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

    [Theory]
    [InlineData("spiffeId: spiffe://example.org/components/greeter, hostPrefix: spiffe://example.org/hosts", PrincipalAttributes.Host, "depending on the host, which was not seen")]
    [InlineData("spiffeIdPrefix: spiffe://example.org, signer: ci, namespace: shop", PrincipalAttributes.Signer | PrincipalAttributes.Namespace, "depending on the signers and namespace, which were not seen")]
    [InlineData("spiffeId: spiffe://example.org/components/other, hostPrefix: spiffe://example.org/hosts", PrincipalAttributes.Host, null)]
    [InlineData("spiffeId: spiffe://example.org/components/greeter, hostPrefix: spiffe://example.org/hosts", PrincipalAttributes.None, null)]
    public void What_a_rule_permits_on_terms_that_were_not_seen_is_not_granted_without_them(string subject, PrincipalAttributes untold, string? said)
    {
        var policy = Samples.Rules(("permit", subject, "{ natsPublish: a.> }"), ("permit", "signer: nobody", "{ natsPublish: b }"));
        var suggestion = PolicySuggest.For(policy, Seen("natsPublish a.b").Select(seen => seen with { Untold = untold }), Samples.Now);
        Assert.Equal(said is null, suggestion.Source is not null);
        if (said is null) Assert.Empty(suggestion.Left);
        else Assert.Contains($"rule sample/rule-0 permits it {said}", Assert.Single(suggestion.Left), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(512, 512, 0)]
    [InlineData(513, 0, 513)]
    public void What_would_refuse_somebody_the_login_is_not_granted_and_the_rest_is(int parcels, int granted, int left)
    {
        var seen = Parcels(Samples.Greeter, 0, parcels).Concat(Seen("audience x")).Append(new Observation(new Principal { Id = Other }, CapabilityRequest.Parse("natsPublish a")));
        var suggestion = PolicySuggest.For(CapabilityPolicy.Empty, seen, Samples.Now);
        var policy = Samples.Policy(suggestion.Source!);
        Assert.Equal(granted + 2, policy.Clauses.Count());
        Assert.IsType<NatsPermissions.Allowed>(NatsPermissions.For(policy, Other, Samples.Now));
        if (left == 0) Assert.Empty(suggestion.Left);
        else Assert.Equal($"{Samples.Greeter}: {left} rights on NATS (with them its rules name more than 512 subjects, which do not fit into one login; grant fewer, by wildcards, or forbid fewer of what is granted)", Assert.Single(suggestion.Left));
        Assert.Equal(left, suggestion.Source!.Contains("# not granted: ", StringComparison.Ordinal) ? left : 0);
    }

    [Fact]
    public void So_is_what_would_be_too_much_only_beside_what_is_granted_already()
    {
        var there = PolicySuggest.For(CapabilityPolicy.Empty, Parcels(Samples.Greeter, 0, 500), Samples.Now, "there").Source!;
        Assert.NotNull(PolicySuggest.For(Samples.Policy(there), Parcels(Samples.Greeter, 500, 12), Samples.Now).Source);
        var beside = PolicySuggest.For(Samples.Policy(there), Parcels(Samples.Greeter, 500, 13), Samples.Now);
        Assert.Null(beside.Source);
        Assert.Null(beside.Problem);
        Assert.StartsWith($"{Samples.Greeter}: 13 rights on NATS (", Assert.Single(beside.Left), StringComparison.Ordinal);
        // It takes the place of the document of its name.
        Assert.NotNull(PolicySuggest.For(Samples.Policy(there), Parcels(Samples.Greeter, 500, 13), Samples.Now, "there").Source);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("123")]
    public void More_than_one_rule_may_hold_is_written_as_several_whatever_the_name(string last)
    {
        var id = SpiffeId.Parse($"spiffe://example.org/components/{last}");
        var seen = Enumerable.Range(0, 1_001).Select(number => new Observation(new Principal { Id = id }, CapabilityRequest.Parse($"config k{number}")));
        var suggestion = PolicySuggest.For(CapabilityPolicy.Empty, seen, Samples.Now);
        Assert.Equal([last, $"{last}-2"], Samples.Document(suggestion.Source!).Rules.Select(rule => rule.Name));
        Assert.Equal(1_001, Samples.Policy(suggestion.Source!).Clauses.Count());
    }

    [Fact]
    public void What_makes_no_document_or_none_that_can_be_in_force_is_not_written_and_said()
    {
        var unnamed = PolicySuggest.For(CapabilityPolicy.Empty, Seen("config a"), Samples.Now, "no name");
        Assert.Null(unnamed.Source);
        Assert.Contains("'no name' is not a name", unnamed.Problem, StringComparison.Ordinal);

        var many = Enumerable.Range(0, 10_001).Select(number => new Observation(new Principal { Id = SpiffeId.Parse($"spiffe://example.org/c{number}") }, CapabilityRequest.Parse("start")));
        var tooMany = PolicySuggest.For(CapabilityPolicy.Empty, many, Samples.Now);
        Assert.Null(tooMany.Source);
        Assert.StartsWith("what was seen makes no document: ", tooMany.Problem, StringComparison.Ordinal);

        var full = CapabilityPolicy.Create(
            [Samples.Document(Samples.Source(("permit", $"spiffeId: {Samples.Greeter}", "start"))) with { Rules = [.. Enumerable.Range(0, 200).Select(Thousand)] }], 1);
        Assert.Null(full.Unreadable);
        var beside = PolicySuggest.For(full, Seen("config a"), Samples.Now);
        Assert.Null(beside.Source);
        Assert.StartsWith("what was seen cannot be granted beside the policies that are there: ", beside.Problem, StringComparison.Ordinal);

        static PolicyRule Thousand(int number) => new()
        {
            Name = $"r{number}",
            Effect = RuleEffect.Permit,
            Subjects = [new PolicySubject { SpiffeId = SpiffeId.Parse($"spiffe://example.org/other{number}") }],
            Capabilities = [.. Enumerable.Range(0, 1_000).Select(key => Capability.Parse($"config k{key}"))],
        };
    }

    private static SpiffeId Other { get; } = SpiffeId.Parse("spiffe://example.org/components/other");

    private static IEnumerable<Observation> Parcels(SpiffeId id, int from, int count) =>
        Enumerable.Range(from, count).Select(number => new Observation(new Principal { Id = id }, CapabilityRequest.Parse($"natsPublish parcels.p{number}")));

    private static ComponentStart Greeting => Importing(["drop", "[method]fields.get"]);

    private static ComponentStart Importing(string[] functions) => Samples.Start() with
    {
        Imports = new ComponentImports(
            [new ComponentImport("wasi:http/types@0.2.0", ImportKind.Instance, [.. functions]), new ComponentImport("wasi:io/error@0.2.0", ImportKind.Instance)])
        {
            Exports = [new ComponentExport("wasi:cli/run@0.2.3", ImportKind.Instance, ["run"]), new ComponentExport("acme:shop/admin", ImportKind.Instance, ["wipe"])],
        },
    };

    private static IEnumerable<Observation> Seen(params string[] requests) =>
        requests.Select(request => new Observation(new Principal { Id = Samples.Greeter }, CapabilityRequest.Parse(request)));

    private static ComponentDigest? DigestOf(Principal principal) => (principal.Unknown & PrincipalAttributes.Digest) == 0 ? principal.Digest : null;
}
