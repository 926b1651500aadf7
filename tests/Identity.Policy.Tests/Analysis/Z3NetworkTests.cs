using System.Globalization;
using CsCheck;
using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis;

/// <summary>
/// As <see cref="Z3Tests"/>, for connections: networks and ports are bit vectors, a request is a network and a range of ports; callers have signers and a
/// lattice, each perhaps not to be told; permits end. Nothing of it is enumerated: there are 2^32 addresses and 2^16 ports.
/// </summary>
public sealed class Z3NetworkTests
{
    private const int Signers = 3;
    private const int Absent = -1;
    private const int Unknown = -2;
    private const int Pairs = 12;

    private static readonly string[] Lattices = ["east", "west"];

    private static readonly string Declarations =
        string.Concat(Enumerable.Range(0, Signers).Select(i => $"(declare-const s{i} Bool)"))
        + "(declare-const untold Bool)(declare-const lattice Int)(declare-const hour Int)(declare-const udp Bool)"
        + "(declare-const a (_ BitVec 32))(declare-const b (_ BitVec 32))(declare-const p (_ BitVec 16))(declare-const q (_ BitVec 16))"
        // From a to b is a network: what differs are the last bits, none of them set in a and all of them in b. Port 0 is none.
        + $"(assert (and (>= lattice {Unknown}) (>= hour 0) (bvule p q) (bvuge p #x0001) (= (bvand (bvxor a b) (bvadd (bvxor a b) #x00000001)) #x00000000) (= (bvand a (bvxor a b)) #x00000000)))";

    private static readonly Gen<string> Target = Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[28, 32], Gen.Int[0, 15], Gen.Int[0, 6], (net, third, length, last, ports) =>
        $"10.{net / 2}.{third}.{last & ~((1 << (32 - length)) - 1)}/{length}:{new[] { "443", "80", "1-1024", "400-500", "443-8080", "1-65535", "8080" }[ports]}");

    private static readonly Gen<PolicyRule> Rule = Gen.Select(Gen.Int[0, 2], Gen.Int[0, 9], Gen.Int[0, 9], Target, Gen.Int[0, 5], Gen.Int[0, 9], (effect, signer, lattice, target, expiry, wide) => new PolicyRule
    {
        Name = "unnamed",
        Effect = effect > 0 ? RuleEffect.Permit : RuleEffect.Forbid,
        Subjects =
        [
            new PolicySubject
            {
                Signer = signer < Signers || lattice >= Lattices.Length ? SignerName.Parse($"s{signer % Signers}") : null,
                Lattice = lattice < Lattices.Length ? Lattices[lattice] : null,
            },
        ],
        Capabilities = [Capability.Parse($"connect {(wide == 0 ? "10.0.0.0/8:443" : target)}{(wide == 1 ? "/udp" : "")}")],
        Expires = effect > 0 && expiry < 3 ? Samples.Now.AddHours(expiry) : null,
    });

    [Theory]
    [InlineData(20)]
    [InlineData(100)]
    public void A_difference_of_networks_and_ports_is_there_exactly_when_the_solver_finds_one(int rules)
    {
        using var z3 = Z3Solver.OrSkip();
        z3.Run("(set-option :print-success false)" + Declarations);
        var number = 0;
        var pairs = Gen.Select(Rule.Array[rules], Rule, Gen.Int[0, rules - 1], (before, extra, at) => (Before: Named(before), After: Named([.. before.Where((_, index) => index != at), extra])));
        Cases.Each(pairs, Cases.Times(Pairs), pair =>
        {
            var diff = PolicyDiff.Between(SmallWorld.Policy(pair.Before), SmallWorld.Policy(pair.After), Samples.Now);
            Assert.True(diff.IsComplete);
            Agree(z3, pair.Before, pair.After, diff.Gained, number++);
            Agree(z3, pair.After, pair.Before, diff.Lost, number++);
        });
    }

    private static void Agree(Z3Solver z3, PolicyRule[] before, PolicyRule[] after, IReadOnlyCollection<AuthorityChange> gained, int number)
    {
        z3.Run($"(push)(define-fun gained{number} () Bool (and {Allowed(after)} (not {Allowed(before)})))");
        Assert.Equal(gained.Count > 0 ? "sat" : "unsat", z3.Run($"(push)(assert gained{number})(check-sat)(pop)"));
        foreach (var change in gained)
            Assert.Equal("sat", z3.Run($"(push)(assert (and gained{number} {At(change.Example!)}))(check-sat)(pop)"));
        z3.Run("(pop)");
    }

    private static string Allowed(PolicyRule[] rules)
    {
        string Any(RuleEffect effect) => $"(or false {string.Join(' ', rules.Where(rule => rule.Effect == effect).Select(Means))})";
        return $"(and {Any(RuleEffect.Permit)} (not {Any(RuleEffect.Forbid)}))";
    }

    private static string Means(PolicyRule rule)
    {
        var (subject, permits) = (rule.Subjects[0], rule.Effect == RuleEffect.Permit);
        var target = ((Capability.Connect)rule.Capabilities[0]).Target;
        var (first, last) = Ends(target);
        var (from, to) = (Port(target.Ports.First), Port(target.Ports.Last));
        List<string> parts =
        [
            // A permit covers the whole network and all ports that are asked for; a forbid has one of them in common.
            permits ? $"(bvule {first} a) (bvule b {last}) (bvule {from} p) (bvule q {to})" : $"(bvule {first} b) (bvule a {last}) (bvule {from} q) (bvule p {to})",
            target.Protocol == TransportProtocol.Udp ? "udp" : "(not udp)",
        ];
        if (subject.Signer is { } signer) parts.Add(permits ? $"(not untold) {signer.Text}" : $"(or untold {signer.Text})");
        if (subject.Lattice is { } lattice) parts.Add(permits ? $"(= lattice {NumberOf(lattice)})" : $"(or (= lattice {Unknown}) (= lattice {NumberOf(lattice)}))");
        if (rule.Expires is { } expires) parts.Add(string.Create(CultureInfo.InvariantCulture, $"(< hour {(expires - Samples.Now).TotalHours})"));
        return $"(and {string.Join(' ', parts)})";
    }

    private static string At(AuthorityExample example)
    {
        var (principal, target) = (example.Principal, ((CapabilityRequest.Connect)example.Request).Target);
        var (first, last) = Ends(target);
        List<string> parts =
        [
            $"(= a {first}) (= b {last}) (= p {Port(target.Ports.First)}) (= q {Port(target.Ports.Last)})", target.Protocol == TransportProtocol.Udp ? "udp" : "(not udp)",
            string.Create(CultureInfo.InvariantCulture, $"(= hour {(example.At - Samples.Now).TotalHours})"),
            $"(= lattice {((principal.Unknown & PrincipalAttributes.Lattice) != 0 ? Unknown : principal.Lattice is { } lattice ? NumberOf(lattice) : Absent)})",
        ];
        if ((principal.Unknown & PrincipalAttributes.Signer) != 0) parts.Add("untold");
        else parts.Add($"(not untold) {string.Join(' ', Enumerable.Range(0, Signers).Select(i => principal.Signers.Contains(SignerName.Parse($"s{i}")) ? $"s{i}" : $"(not s{i})"))}");
        return $"(and {string.Join(' ', parts)})";
    }

    private static (string First, string Last) Ends(ConnectTarget target)
    {
        var range = target.Addresses!.Value;
        var first = (uint)range.Network;
        var last = range.Length == 0 ? uint.MaxValue : first + (uint)((1UL << (32 - range.Length)) - 1);
        return ($"#x{first:x8}", $"#x{last:x8}");
    }

    private static string Port(int port) => $"#x{port:x4}";

    // A lattice that no rule names is a number that no rule uses.
    private static int NumberOf(string lattice) => Array.IndexOf(Lattices, lattice) is >= 0 and var known ? known : 100 + lattice.Sum(character => character);

    private static PolicyRule[] Named(PolicyRule[] rules) => [.. rules.Select((rule, number) => rule with { Name = $"r{number}" })];
}
