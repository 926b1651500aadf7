using System.Globalization;
using CsCheck;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>A subject and a queue group, or none.</summary>
internal sealed class SmtSubscribe : SmtRequests
{
    public override string Name => "natsSubscribe";

    public override string Declarations => SmtSubject.Declarations + $"(declare-const queue Int)(assert (>= queue {Formula.Absent}))";

    public override Gen<PolicySubject> Subjects => SmtCaller.ByIdAndHost;

    public override Gen<string> Capabilities => Gen.Select(SmtSubject.Patterns, Gen.Int[0, 3], (subject, queue) => $"natsSubscribe {subject}{(queue > 1 ? "" : $" {"ab"[queue]}")}");

    // Without a queue it means a plain subscription and every group.
    public override string Means(Capability capability, bool permits) => Parts(capability.ToString()) is var (subject, queue)
        ? Formula.And([SmtSubject.Means(subject, permits), queue is null ? "true" : Formula.Is("queue", Formula.NumberOf(queue))]) : "false";

    public override string At(CapabilityRequest request) => Parts(request.ToString()) is var (subject, queue)
        ? Formula.And([SmtSubject.At(subject), Formula.Is("queue", queue is null ? Formula.Absent : Formula.NumberOf(queue))]) : "false";

    private static (string Subject, string? Queue) Parts(string text) => text.Split(' ') is [_, var subject, var queue] ? (subject, queue) : (text.Split(' ')[1], null);
}

/// <summary>Answering, however often: that is a ceiling. Nothing is left to differ but the caller.</summary>
internal sealed class SmtRespond : SmtRequests
{
    public override string Name => "natsRespond";

    public override string Declarations => "";

    public override Gen<PolicySubject> Subjects => SmtCaller.BySignerAndLattice;

    public override Gen<string> Capabilities => Gen.Const("natsRespond 1 1m");

    public override string Means(Capability capability, bool permits) => "true";

    public override string At(CapabilityRequest request) => "true";
}

/// <summary>A stream, or a consumer of one, and a set of accesses as bits.</summary>
/// <param name="parts">Of the name: one of a stream, two of a consumer.</param>
internal sealed class SmtAccess(string kind, int parts, params string[] accesses) : SmtRequests
{
    public override string Name => kind;

    private string Zero => $"#b{new string('0', accesses.Length)}";

    public override string Declarations => Formula.Declare("Int", Formula.Numbered("n", parts)) + $"(declare-const access (_ BitVec {accesses.Length}))(assert (distinct access {Zero}))";

    public override string IsOne => $"(= (bvand access (bvsub access #b{1.ToString($"b{accesses.Length}", CultureInfo.InvariantCulture)})) {Zero})";

    public override Gen<PolicySubject> Subjects => SmtCaller.ByNamespaceAndHost;

    public override Gen<string> Capabilities => Gen.Select(Gen.Int[0, 2].Array[parts], Gen.Int[1, (1 << accesses.Length) - 1], (names, access) =>
        $"{kind} {string.Join('/', names.Select(name => "abc"[name]))} {string.Join(',', accesses.Where((_, bit) => (access >> bit & 1) != 0))}");

    public override string Means(Capability capability, bool permits)
    {
        var (name, access) = Parts(capability.ToString());
        // All that is asked for, or some of it. Whoever fetches from a consumer looks at it, so a forbid to do so is one to look.
        if (!permits && capability is Capability.Consumer { Access: var forbidden } && forbidden.HasFlag(ConsumerAccess.Consume)) access = $"(bvor {access} #b001)";
        return Formula.And([name, permits ? $"(= (bvand access {access}) access)" : $"(distinct (bvand access {access}) {Zero})"]);
    }

    public override string At(CapabilityRequest request) => Parts(request.ToString()) is var (name, access) ? Formula.And([name, $"(= access {access})"]) : "false";

    private (string Name, string Access) Parts(string text)
    {
        var words = text.Split(' ');
        var bits = words[2].Split(',').Sum(word => 1 << Array.IndexOf(accesses, word));
        return (Formula.And(words[1].Split('/').Select((part, at) => Formula.Is($"n{at}", Formula.NumberOf(part)))), $"#b{bits.ToString($"b{accesses.Length}", CultureInfo.InvariantCulture)}");
    }
}
