using System.Globalization;
using CsCheck;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>Names that are sequences, or everything below one: labels of DNS from the right, segments of paths. What is asked for may be as much.</summary>
internal sealed class SmtNames(string kind) : SmtRequests
{
    public override string Name => kind;

    public override string Declarations => SmtSubject.Declare(least: kind == "mount" ? 0 : 1);

    public override Gen<PolicySubject> Subjects => kind is "resolve" or "mount" ? SmtCaller.BySignerAndLattice : SmtCaller.ByNamespaceAndHost;

    public override Gen<string> Capabilities => Patterns(kind).Select(name => $"{kind} {name}");

    public override string Means(Capability capability, bool permits) => SmtSubject.Means(TokensOf(capability.ToString()[(kind.Length + 1)..]), permits);

    public override string At(CapabilityRequest request) => SmtSubject.At(TokensOf(request.ToString()[(kind.Length + 1)..]));

    public static Gen<string> Patterns(string kind) => Gen.Select(Gen.Int[0, 3].Array[0, 3], Gen.Int[0, 2], (parts, below) =>
    {
        var words = parts.Select(part => $"{"abcd"[part]}").ToArray();
        return kind switch
        {
            "mount" => "/" + string.Join('/', below == 0 ? [.. words, "*"] : words),
            "config" or "secret" => string.Join('/', below == 0 || words.Length == 0 ? [.. words, "*"] : words),
            _ => string.Join('.', below == 0 || words.Length == 0 ? ["*", .. words] : words),
        };
    });

    /// <summary>The largest part first; '>' for one or more below it.</summary>
    public static string[] TokensOf(string name) => name.StartsWith('*') || !name.Contains('/', StringComparison.Ordinal)
        ? [.. name.Split('.').Reverse().Select(label => label == "*" ? ">" : label)]
        : [.. name.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(segment => segment == "*" ? ">" : segment)];
}

/// <summary>Hosts by name, the ports from p to q, and a protocol.</summary>
internal sealed class SmtConnectName : SmtRequests
{
    private static readonly string[] Ports = ["443", "80", "1-1024", "400-500", "443-8080", "*", "8080"];

    public override string Name => "connect names";

    public override string Declarations =>
        SmtSubject.Declarations + Formula.Declare("(_ BitVec 16)", "p", "q") + Formula.Declare("Bool", "udp") + "(assert (and (bvule p q) (bvuge p #x0001)))";

    public override Gen<PolicySubject> Subjects => SmtCaller.ByImage;

    public override Gen<string> Capabilities => Gen.Select(SmtNames.Patterns("connect"), Gen.Int[0, 6], Gen.Int[0, 9], (name, ports, how) => $"connect {name}:{Ports[ports]}{(how == 1 ? "/udp" : "")}");

    public override string Means(Capability capability, bool permits)
    {
        var (name, from, to, protocol) = Parts(capability.ToString());
        return Formula.And([SmtSubject.Means(name, permits), permits ? $"(bvule {from} p) (bvule q {to})" : $"(bvule {from} q) (bvule p {to})", protocol]);
    }

    public override string At(CapabilityRequest request)
    {
        var (name, from, to, protocol) = Parts(request.ToString());
        return Formula.And([SmtSubject.At(name), $"(= p {from}) (= q {to})", protocol]);
    }

    private static (string[] Name, string From, string To, string Protocol) Parts(string text)
    {
        var isUdp = text.EndsWith("/udp", StringComparison.Ordinal);
        var target = text["connect ".Length..^(isUdp ? "/udp".Length : 0)];
        var colon = target.LastIndexOf(':');
        var ports = target[(colon + 1)..] is "*" ? ["1", "65535"] : target[(colon + 1)..].Split('-');
        return (SmtNames.TokensOf(target[..colon]), Port(ports[0]), Port(ports[^1]), isUdp ? "udp" : "(not udp)");
    }

    private static string Port(string port) => $"#x{int.Parse(port, CultureInfo.InvariantCulture):x4}";
}

/// <summary>One name, exactly.</summary>
internal sealed class SmtAudience : SmtRequests
{
    public override string Name => "audience";

    public override string Declarations => "(declare-const audience Int)";

    public override Gen<PolicySubject> Subjects => SmtCaller.ByIdAndHost;

    public override Gen<string> Capabilities => Gen.Int[0, 3].Select(name => $"audience {"abcd"[name]}");

    public override string Means(Capability capability, bool permits) => Of(capability.ToString());

    public override string At(CapabilityRequest request) => Of(request.ToString());

    private static string Of(string text) => Formula.Is("audience", Formula.NumberOf(text["audience ".Length..]));
}

/// <summary>Nothing is left to differ but the caller, who is meant by labels too; revisions give them to others.</summary>
internal sealed class SmtStart : SmtRequests
{
    public override string Name => "start by labels";

    public override string Declarations => "";

    public override Gen<PolicySubject> Subjects => SmtCaller.ByLabels;

    public override Gen<LabelAssignment[]> Labels => SmtCaller.Labels;

    public override Gen<string> Capabilities => Gen.Const("start");

    public override string Means(Capability capability, bool permits) => "true";

    public override string At(CapabilityRequest request) => "true";
}
