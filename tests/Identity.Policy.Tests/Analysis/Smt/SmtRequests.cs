using System.Globalization;
using CsCheck;
using Identity.Policy.Tests.Language;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>Requests of one kind as variables, and capabilities as formulas about them, written from docs/policy.md, "Capabilities".</summary>
internal abstract class SmtRequests
{
    public static readonly SmtRequests[] All =
    [
        new SmtPublish(), new SmtConnect(32), new SmtConnect(128), new SmtInterface("import"), new SmtBucket(),
        new SmtInterface("export"), new SmtSubscribe(), new SmtAccess("stream", 1, "info", "read", "consume", "purge", "manage"), new SmtAccess("consumer", 2, "info", "consume", "manage"),
        new SmtConnectName(), new SmtNames("resolve"), new SmtNames("config"), new SmtNames("secret"), new SmtNames("mount"), new SmtAudience(), new SmtStart(), new SmtJetStream(), new SmtRespond(),
    ];

    public abstract string Name { get; }

    public abstract string Declarations { get; }

    public abstract Gen<PolicySubject> Subjects { get; }

    public abstract Gen<string> Capabilities { get; }

    /// <summary>A permit covers all that is asked for; a forbid has something in common with it.</summary>
    public abstract string Means(Capability capability, bool permits);

    public abstract string At(CapabilityRequest request);

    /// <summary>What a policy beside its rules has; nothing, unless the subjects have labels.</summary>
    public virtual Gen<LabelAssignment[]> Labels => Gen.Const<LabelAssignment[]>([]);

    /// <summary>True of requests for one access; several to one thing that were seen one by one may be suggested together.</summary>
    public virtual string IsOne => "true";

    public Gen<CapabilityRequest> Requests => Capabilities.Select(text => CapabilityRequest.TryParse(text, out var request, out _) ? request : null!).Where(request => request is not null);

    public Gen<PolicyRule> Rules => Gen.Select(Gen.Int[0, 2], Subjects, Capabilities, Gen.Int[0, 9], Gen.Int[0, 11], (effect, subject, text, expiry, mode) =>
    {
        var capability = Capability.Parse(text);
        var permits = effect > 0 && PlainMeaning.IsGrantable(capability.ToString());
        return new PolicyRule
        {
            Name = "unnamed",
            Effect = permits ? RuleEffect.Permit : RuleEffect.Forbid,
            Mode = mode switch { 0 => RuleMode.Off, 1 => RuleMode.Shadow, 2 => RuleMode.Warn, _ => RuleMode.Enforce },
            Subjects = [subject],
            Capabilities = [capability],
            Expires = permits && expiry < 3 ? Samples.Now.AddHours(expiry) : null,
        };
    });

    public override string ToString() => Name;
}

/// <summary>A subject is a sequence of tokens, or all below one.</summary>
internal static class SmtSubject
{
    private const int Tokens = 5;

    public static string Declarations { get; } = Declare(least: 1);

    /// <param name="least">Tokens of a single subject; all below none may be asked for as well.</param>
    public static string Declare(int least) => Formula.Declare("Int", [.. Formula.Numbered("t", Tokens), "tn"]) + Formula.Declare("Bool", "tail")
        + $"(assert (and (>= tn 0) (<= tn {Tokens}) (or tail (>= tn {least}))))";

    public static readonly Gen<string> Patterns = Gen.Select(Gen.Int[0, 4].Array[1, 3], Gen.Int[0, 2], (tokens, tail) =>
        string.Join('.', [.. tokens.Select((token, at) => token < 4 || at == 0 ? $"{"abcd"[token % 4]}" : "*"), .. tail == 0 ? [">"] : Array.Empty<string>()]));

    public static string Means(string subject, bool permits) => Means(subject.Split('.'), permits);

    public static string Means(string[] subject, bool permits)
    {
        var (tokens, below) = Parts(subject);
        var single = below ? $"(> tn {tokens.Length})" : $"(= tn {tokens.Length})";
        var many = permits ? below ? $"(>= tn {tokens.Length})" : "false" : below ? "true" : $"(< tn {tokens.Length})";
        var named = tokens.Select((token, at) => token == "*" ? "true" : $"(or (<= tn {at}) {Formula.Is($"t{at}", Formula.NumberOf(token))})");
        return $"(and (ite tail {many} {single}) {string.Join(' ', named)})";
    }

    public static string At(string subject) => At(subject.Split('.'));

    public static string At(string[] subject)
    {
        var (tokens, below) = Parts(subject);
        return Formula.And([below ? "tail" : "(not tail)", Formula.Is("tn", tokens.Length), .. tokens.Select((token, at) => Formula.Is($"t{at}", Formula.NumberOf(token)))]);
    }

    private static (string[] Tokens, bool Below) Parts(string[] subject) => subject is [.., ">"] ? (subject[..^1], true) : (subject, false);
}

internal sealed class SmtPublish : SmtRequests
{
    public override string Name => "natsPublish";

    public override string Declarations => SmtSubject.Declarations;

    public override Gen<PolicySubject> Subjects => SmtCaller.ByIdAndHost;

    public override Gen<string> Capabilities => SmtSubject.Patterns.Select(subject => "natsPublish " + subject);

    public override string Means(Capability capability, bool permits) => SmtSubject.Means(((Capability.NatsPublish)capability).Subject.Text, permits);

    public override string At(CapabilityRequest request) => SmtSubject.At(((CapabilityRequest.NatsPublish)request).Subject.Text);
}

/// <summary>A key, or all below one, of a bucket, and a set of accesses as four bits.</summary>
internal sealed class SmtBucket : SmtRequests
{
    private static readonly string[] Accesses = ["read", "write", "watch", "manage"];

    public override string Name => "bucket";

    public override string Declarations => SmtSubject.Declarations + "(declare-const bucket Int)(declare-const access (_ BitVec 4))(assert (distinct access #b0000))";

    public override string IsOne => "(= (bvand access (bvsub access #b0001)) #b0000)";

    public override Gen<PolicySubject> Subjects => SmtCaller.ByIdAndHost;

    public override Gen<string> Capabilities => Gen.Select(SmtSubject.Patterns, Gen.Int[1, 15], Gen.Int[0, 9], (keys, access, how) =>
        $"bucket {(how % 2 == 0 ? "a" : "b")}{(how > 7 ? "" : "/" + keys)} {string.Join(',', Accesses.Where((_, bit) => (access >> bit & 1) != 0))}");

    public override string Means(Capability capability, bool permits)
    {
        var (name, keys, access) = (Capability.Bucket)capability;
        // All that is asked for, or some of it.
        var granted = permits ? $"(= (bvand access {Bits(access)}) access)" : $"(distinct (bvand access {Bits(access)}) #b0000)";
        if (permits) return Formula.And([Formula.Is("bucket", Formula.NumberOf(name)), SmtSubject.Means(keys.Text, permits), granted]);
        // Who watches keys is told their values; and of who manages the bucket no key can be kept.
        if (access.HasFlag(BucketAccess.Read)) granted = $"(distinct (bvand access {Bits(access | BucketAccess.Watch)}) #b0000)";
        var manages = $"(distinct (bvand access {Bits(BucketAccess.Manage)}) #b0000)";
        return Formula.And([Formula.Is("bucket", Formula.NumberOf(name)), Formula.Or([Formula.And([SmtSubject.Means(keys.Text, permits), granted]), manages])]);
    }

    public override string At(CapabilityRequest request)
    {
        var (name, key, access) = (CapabilityRequest.Bucket)request;
        return Formula.And([Formula.Is("bucket", Formula.NumberOf(name)), SmtSubject.At(key.Text), $"(= access {Bits(access)})"]);
    }

    private static string Bits(BucketAccess access) => $"#b{(int)access:b4}";
}

/// <summary>A package, an interface, a version's track and a function; each of the last three may be left open. What is exported may also be a function without an interface.</summary>
/// <param name="kind">Import or export.</param>
internal sealed class SmtInterface(string kind) : SmtRequests
{
    private static readonly string[] Versions = ["", "@0.1.0", "@0.1.5", "@0.2.0", "@1.0.0", "@1.3.0", "@0.0.1", "@*"];

    public override string Name => kind;

    public override string Declarations => Formula.Declare("Int", "package", "interface", "track", "function")
        + $"(assert (and (>= track {Formula.Absent}) (>= interface {(kind == "export" ? Formula.Absent : 0)}) (>= function {Formula.Absent}) (or (>= interface 0) (>= function 0))))";

    public override Gen<PolicySubject> Subjects => SmtCaller.ByImage;

    public override Gen<string> Capabilities => Gen.Select(Gen.Int[0, 2], Gen.Int[0, 3], Gen.Int[0, Versions.Length - 1], Gen.Int[0, 5], (package, name, version, function) => kind == "export" && version == 0 && function < 3
        ? $"export #{"abc"[function]}"
        : $"{kind} a:{"abc"[package]}/{(name == 3 ? "*" : $"{"abc"[name]}")}{Versions[version]}{(name == 3 || function > 2 ? "" : $"#{"abc"[function]}")}");

    public override string Means(Capability capability, bool permits) => Means(capability.ToString()[(kind.Length + 1)..], permits, variables: "");

    public override string At(CapabilityRequest request) => At(request.ToString()[(kind.Length + 1)..], variables: "");

    /// <param name="variables">Behind the names of the variables.</param>
    public static string Means(string pattern, bool permits, string variables)
    {
        var (name, version, function) = Parts(pattern);
        if (name.Length == 0) return Formula.And([Formula.Is("interface" + variables, Formula.Absent), Formula.Is("function" + variables, Formula.NumberOf(function!))]);
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        List<string> parts = [Formula.Is("package" + variables, Formula.NumberOf(name[..slash]))];
        parts.Add(name[(slash + 1)..] is var wit && wit != "*" ? Formula.Is("interface" + variables, Formula.NumberOf(wit)) : $"(>= interface{variables} 0)");
        // Whoever asks without a version may be linked with any, which a forbid meets and a permit does not cover.
        if (version != "*") parts.Add(Open("track", TrackOf(version)));
        // So it is with all functions of an interface.
        if (function is not null) parts.Add(Open("function", Formula.NumberOf(function)));
        return Formula.And(parts);

        string Open(string part, int number) =>
            permits ? Formula.Is(part + variables, number) : $"(or {Formula.Is(part + variables, Formula.Absent)} {Formula.Is(part + variables, number)})";
    }

    public static string At(string asked, string variables)
    {
        var (name, version, function) = Parts(asked);
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        return Formula.And(
        [
            .. name.Length == 0 ? [Formula.Is("interface" + variables, Formula.Absent)] : (string[])
            [
                Formula.Is("package" + variables, Formula.NumberOf(name[..slash])), Formula.Is("interface" + variables, Formula.NumberOf(name[(slash + 1)..])), Formula.Is("track" + variables, TrackOf(version)),
            ],
            Formula.Is("function" + variables, function is null ? Formula.Absent : Formula.NumberOf(function)),
        ]);
    }

    private static (string Name, string Version, string? Function) Parts(string text)
    {
        var hash = text.IndexOf('#', StringComparison.Ordinal);
        var whole = hash < 0 ? text : text[..hash];
        var at = whole.IndexOf('@', StringComparison.Ordinal);
        return (at < 0 ? whole : whole[..at], at < 0 ? "" : whole[(at + 1)..], hash < 0 ? null : text[(hash + 1)..]);
    }

    // docs/policy.md: 1.4.2 and 1.9.0 are one track, 0.2.0 and 0.2.9 too; 0.0.1 stands for itself alone.
    private static int TrackOf(string version)
    {
        if (version.Length == 0) return Formula.Absent;
        var numbers = version.Split('.');
        return Formula.NumberOf(numbers[0] != "0" ? numbers[0] : numbers[1] != "0" ? $"0.{numbers[1]}" : version);
    }
}

/// <summary>A network from a to b and the ports from p to q, all of them bit vectors.</summary>
/// <param name="width">Of an address, in bits.</param>
internal sealed class SmtConnect(int width) : SmtRequests
{
    private static readonly string[] Ports = ["443", "80", "1-1024", "400-500", "443-8080", "1-65535", "8080"];

    // ::ffff:0:0/96 is IPv4, and asked for as such.
    private static readonly UInt128 Mapped = (UInt128)0xffff << 32;

    private string One => $"#x{1.ToString($"x{width / 4}", CultureInfo.InvariantCulture)}";

    private string Zero => $"#x{0.ToString($"x{width / 4}", CultureInfo.InvariantCulture)}";

    public override string Name => width == 32 ? "connect IPv4" : "connect IPv6";

    public override string Declarations =>
        Formula.Declare($"(_ BitVec {width})", "a", "b") + Formula.Declare("(_ BitVec 16)", "p", "q") + Formula.Declare("Bool", "udp")
        // From a to b is a network: what differs are the last bits, none of them set in a and all of them in b. Port 0 is none.
        + $"(assert (and (bvule p q) (bvuge p #x0001) (= (bvand (bvxor a b) (bvadd (bvxor a b) {One})) {Zero}) (= (bvand a (bvxor a b)) {Zero})))"
        + (width == 32 ? "" : $"(assert (not (and (bvule #x{Mapped:x32} a) (bvule b #x{Mapped + uint.MaxValue:x32}))))");

    public override Gen<PolicySubject> Subjects => SmtCaller.BySignerAndLattice;

    public override Gen<string> Capabilities => Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[28, 32], Gen.Int[0, 15], Gen.Int[0, 6], Gen.Int[0, 9], (net, third, length, last, ports, how) =>
    {
        var (tail, port) = (last & ~((1 << (32 - length)) - 1), Ports[ports]);
        var target = width == 32
            ? how == 0 ? "10.0.0.0/8:443" : $"10.{net / 2}.{third}.{tail}/{length}:{port}"
            : how == 0 ? "[2001:db8::]/32:443" : how == 2 ? $"[::]/0:{port}" : $"[2001:db8:{net / 2}:{third}::{tail:x}]/{length + 96}:{port}";
        return $"connect {target}{(how == 1 ? "/udp" : "")}";
    });

    public override string Means(Capability capability, bool permits)
    {
        var target = ((Capability.Connect)capability).Target;
        var (first, last) = Ends(target);
        var (from, to) = (Port(target.Ports.First), Port(target.Ports.Last));
        return Formula.And(
        [
            permits ? $"(bvule {first} a) (bvule b {last}) (bvule {from} p) (bvule q {to})" : $"(bvule {first} b) (bvule a {last}) (bvule {from} q) (bvule p {to})",
            target.Protocol == TransportProtocol.Udp ? "udp" : "(not udp)",
        ]);
    }

    public override string At(CapabilityRequest request)
    {
        var target = ((CapabilityRequest.Connect)request).Target;
        var (first, last) = Ends(target);
        return $"(and (= a {first}) (= b {last}) (= p {Port(target.Ports.First)}) (= q {Port(target.Ports.Last)}) {(target.Protocol == TransportProtocol.Udp ? "udp" : "(not udp)")})";
    }

    private (string First, string Last) Ends(ConnectTarget target)
    {
        var range = target.Addresses!.Value;
        var above = range.Length == 0 ? UInt128.MaxValue : (UInt128.One << (width - range.Length)) - 1;
        return (Address(range.Network), Address(range.Network | above));
    }

    private string Address(UInt128 bits) => $"#x{bits.ToString("x32", CultureInfo.InvariantCulture)[^(width / 4)..]}";

    private static string Port(int port) => $"#x{port:x4}";
}
