using CsCheck;
using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>Ceilings rise exactly where Z3 finds that they do, of single requests and of whole admissions (docs/policy-verification.md).</summary>
public sealed class Z3CeilingTests
{
    private static readonly string[] Names = ["a", "b", "*"];
    private static readonly string[] Versions = ["", "@0.1.0", "@1.0.0"];

    // Those that are asked for when a component starts hold one another; the others stand for themselves.
    private static readonly string[] ByThemselves = ["connect IPv4", "connect names", "resolve", "config", "audience", "mount"];

    public static TheoryData<int> OfRequests { get; } = [.. Enumerable.Range(0, SmtRequests.All.Length).Where(kind => ByThemselves.Contains(SmtRequests.All[kind].Name))];

    private static Gen<long?> Fuels => Gen.Int[0, SmtCeilings.Values.Length - 1].Select(which => SmtCeilings.Values[which]);

    [Theory]
    [MemberData(nameof(OfRequests))]
    public void A_ceiling_of_a_request_rises_exactly_when_the_solver_finds_one(int kind)
    {
        using var z3 = new SmtQuestions(Z3Solver.OrSkip(), SmtRequests.All[kind]);
        Cases.Each(Pairs(z3.About.Rules, 20), Cases.Times(8), pair =>
        {
            var diff = PolicyDiff.Between(pair.Before.Compiled, pair.After.Compiled, Samples.Now);
            AssertRisen(pair.Before, pair.After, diff.Gained);
            AssertRisen(pair.After, pair.Before, diff.Lost);
        });

        void AssertRisen(SmtPolicy before, SmtPolicy after, IEnumerable<AuthorityChange> changes)
        {
            z3.Push($"(assert {SmtCeilings.Rises(before, after, Formula.And([z3.Allowed(before), z3.Allowed(after)]), z3.Means)})");
            var risen = changes.Where(change => change.Kind == AuthorityChangeKind.Ceiling).ToArray();
            Assert.Equal(z3.Finds("true"), risen.Length > 0);
            foreach (var change in risen)
                Assert.True(z3.Finds(Formula.And([SmtCaller.At(change.Example!.Principal, change.Example.At), z3.About.At(change.Example.Request)])), $"{change.Ceiling}: {change.Example} is no rise");
            z3.Pop();
        }
    }

    [Fact]
    public void A_ceiling_of_an_admission_rises_exactly_when_the_solver_finds_one()
    {
        using var admissions = new SmtQuestions(Z3Solver.OrSkip(), new SmtAsked());
        using var imports = new SmtQuestions(Z3Solver.OrSkip(), new SmtInterface("import"));
        using var exports = new SmtQuestions(Z3Solver.OrSkip(), new SmtInterface("export"));
        using var publishes = new SmtQuestions(Z3Solver.OrSkip(), new SmtPublish());
        using var starts = new SmtQuestions(Z3Solver.OrSkip(), new SmtStart());
        Cases.Each(Pairs(new SmtAsked().Rules, 7), Cases.Times(200), pair =>
        {
            var diff = PolicyDiff.Between(pair.Before.Compiled, pair.After.Compiled, Samples.Now);
            Assert.Equal(Finds(pair.Before, pair.After), diff.Gained.Any(change => change.Kind == AuthorityChangeKind.Ceiling));
            Assert.Equal(Finds(pair.After, pair.Before), diff.Lost.Any(change => change.Kind == AuthorityChangeKind.Ceiling));
        });

        bool Finds(SmtPolicy before, SmtPolicy after) =>
            admissions.Finds(SmtCeilings.Rises(before, after, Formula.And([SmtAdmission.Admitted(before), SmtAdmission.Admitted(after)]), SmtAdmission.Holds))
            || Alone(imports, "import", before, after) || Alone(exports, "export", before, after) || Alone(publishes, "natsPublish", before, after) || Alone(starts, "start", before, after);

        // One request by itself, however it comes to be asked.
        static bool Alone(SmtQuestions z3, string kind, SmtPolicy before, SmtPolicy after)
        {
            var (was, will) = (before.With(before.Rules.Where(IsOfKind)), after.With(after.Rules.Where(IsOfKind)));
            return z3.Finds(SmtCeilings.Rises(was, will, Formula.And([z3.Allowed(was), z3.Allowed(will)]), z3.Means));

            bool IsOfKind(PolicyRule rule) => rule.Capabilities[0].ToString().Split(' ')[0] == kind;
        }
    }

    private static Gen<(SmtPolicy Before, SmtPolicy After)> Pairs(Gen<PolicyRule> rules, int count) => Gen.Select(
        Gen.Select(rules, Fuels, Stating).Array[count], Gen.Select(rules, Fuels, Stating), Gen.Int[0, count - 1], Fuels, Gen.Int[0, 2], (before, extra, at, fuel, how) => (
            Before: Of(before),
            After: Of(how == 0 ? [.. before.Where((_, index) => index != at), extra] : [.. before.Select((rule, index) => index == at ? Stating(rule, fuel) : rule), .. how == 1 ? [] : (PolicyRule[])[extra]])));

    private static PolicyRule Stating(PolicyRule rule, long? fuel) => rule.Effect == RuleEffect.Permit ? rule with { Ceilings = new StatedCeilings { Fuel = fuel } } : rule;

    private static SmtPolicy Of(PolicyRule[] rules) => new([.. rules.Select((rule, number) => rule with { Name = $"r{number}" })], []);

    /// <summary>What a component is asked about when it starts.</summary>
    private sealed class SmtAsked : SmtRequests
    {
        public override string Name => "admission";

        public override string Declarations => SmtAdmission.Declarations;

        // Few, so that several rules mean the same component.
        public override Gen<PolicySubject> Subjects => Gen.Int[0, 7].Select(who => who switch
        {
            0 => new PolicySubject { SpiffeId = SpiffeId.Parse("spiffe://t/a/b") },
            1 => new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://t/a/b") },
            2 => new PolicySubject { Digest = Formula.DigestOf(0) },
            3 => new PolicySubject { HostPrefix = SpiffeIdPrefix.Parse("spiffe://t/b") },
            _ => new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://t/a") },
        });

        public override Gen<string> Capabilities => Gen.Select(Gen.Int[0, 7], Gen.Int[0, 1], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[0, 5], (kind, package, name, version, function) => kind switch
        {
            0 => "start",
            1 => $"natsPublish {"ab"[package]}",
            _ => $"{(kind > 4 ? "export" : "import")} a:{"ab"[package]}/{Names[name]}{Versions[version]}{(Names[name] == "*" || function > 1 ? "" : $"#{"ab"[function]}")}",
        });

        public override string Means(Capability capability, bool permits) => throw new NotSupportedException();

        public override string At(CapabilityRequest request) => throw new NotSupportedException();
    }
}
