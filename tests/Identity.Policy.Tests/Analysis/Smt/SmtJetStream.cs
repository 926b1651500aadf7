using System.Globalization;
using CsCheck;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>
/// Requests for streams, their consumers and buckets at once, since a bucket x is the stream KV_x: a forbid of one of them takes away what could be had by
/// another. Written as what each right lets one do, from docs/policy.md ("Capabilities") and docs/policy-enforcement.md ("NATS").
/// </summary>
internal sealed class SmtJetStream : SmtRequests
{
    private const string Stream = "(= what 0)", Consumer = "(= what 1)", Bucket = "(= what 2)";

    private static readonly string[] StreamAccesses = ["info", "read", "consume", "purge", "manage"];
    private static readonly string[] ConsumerAccesses = ["info", "consume", "manage"];
    private static readonly string[] BucketAccesses = ["read", "write", "watch", "manage"];

    public override string Name => "stream, consumer, bucket";

    // What is done to the stream, however it is called: all of it, or one key. A bucket's name is the number of its stream.
    public override string Declarations => SmtSubject.Declarations
        + Formula.Declare("Int", "what", "name", "consumer") + "(declare-const access (_ BitVec 5))"
        + $"(assert (and (>= what 0) (<= what 2) (distinct access #b00000) (=> {Consumer} (bvult access #b01000)) (=> {Bucket} (and (bvult access #b10000) (>= name 0) (< name 1000)))))"
        + Define("gets", $"(and {Stream} {Has(2)})") + Define("follows", $"(or (and {Stream} {Has(4)}) (and {Consumer} {Has(6)}))")
        + Define("erases", $"(or (and {Stream} {Has(8)}) (and {Bucket} {Has(8)}))") + Define("changes", $"(or (and {Stream} {Has(16)}) (and {Bucket} {Has(8)}))")
        + Define("getsKey", $"(and {Bucket} {Has(1)})") + Define("putsKey", $"(and {Bucket} {Has(2)})") + Define("followsKey", $"(and {Bucket} {Has(4)})");

    public override string IsOne => "(= (bvand access (bvsub access #b00001)) #b00000)";

    public override Gen<PolicySubject> Subjects => SmtCaller.ByIdAndHost;

    public override Gen<string> Capabilities => Gen.Select(Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[0, 1], SmtSubject.Patterns, Gen.Int[1, 31], Gen.Int[0, 9], (what, name, consumer, keys, access, how) => what switch
    {
        0 => $"stream {NameOf(name)} {Words(StreamAccesses, access)}",
        1 => $"consumer {NameOf(name)}/{"ab"[consumer]} {Words(ConsumerAccesses, access % 7 + 1)}",
        _ => $"bucket {"ab"[name % 2]}{(how > 6 ? "" : "/" + keys)} {Words(BucketAccesses, access % 15 + 1)}",
    });

    public override string Means(Capability capability, bool permits)
    {
        var (what, name, consumer, keys, access) = Parts(capability.ToString());
        var named = Formula.And([Formula.Is("what", what), Formula.Is("name", name), what == 1 ? Formula.Is("consumer", consumer) : "true", what == 2 ? SmtSubject.Means(keys, permits) : "true"]);
        if (permits) return $"(and {named} (= (bvand access {Bits(access)}) access))";

        var some = $"(and {named} (distinct (bvand access {Bits(access)}) #b00000))";
        return Formula.Or([some, Formula.And([Formula.Is("name", name), Formula.Or(what switch { 0 => OfStream(access), 1 => OfConsumer(consumer, access), _ => OfBucket(keys, access) })])]);
    }

    public override string At(CapabilityRequest request)
    {
        var (what, name, consumer, keys, access) = Parts(request.ToString());
        return Formula.And([Formula.Is("what", what), Formula.Is("name", name), what == 1 ? Formula.Is("consumer", consumer) : "true", what == 2 ? SmtSubject.At(keys) : "true", $"(= access {Bits(access)})"]);
    }

    // Of the whole stream, be it asked for by key or not.
    private static IEnumerable<string> OfStream(int access)
    {
        if ((access & 2) != 0) yield return "gets getsKey";
        // Who may not consume it has no consumers of it either.
        if ((access & 4) != 0) yield return $"follows followsKey {Consumer}";
        if ((access & 8) != 0) yield return "erases";
        if ((access & 16) != 0) yield return "changes";
    }

    // Whoever fetches from a consumer looks at it.
    private static IEnumerable<string> OfConsumer(int consumer, int access)
    {
        if ((access & 2) != 0) yield return $"(and {Consumer} {Formula.Is("consumer", consumer)} {Has(1)})";
    }

    private static IEnumerable<string> OfBucket(string keys, int access)
    {
        var touched = SmtSubject.Means(keys, permits: false);
        // Who watches keys is told their values, and so is who has a consumer.
        if ((access & 1) != 0) yield return $"gets follows (and (or getsKey followsKey) {touched})";
        if ((access & 4) != 0) yield return $"follows (and followsKey {touched})";
        if ((access & 2) != 0) yield return $"erases (and putsKey {touched})";
        if ((access & 8) != 0) yield return "erases";
        yield return "changes";
    }

    private static (int What, int Name, int Consumer, string Keys, int Access) Parts(string text)
    {
        var words = text.Split(' ');
        var slash = words[1].IndexOf('/', StringComparison.Ordinal);
        var (name, rest) = slash < 0 ? (words[1], "") : (words[1][..slash], words[1][(slash + 1)..]);
        return words[0] switch
        {
            "stream" => (0, NumberOf(name), 0, "", Of(StreamAccesses)),
            "consumer" => (1, NumberOf(name), Formula.NumberOf(rest), "", Of(ConsumerAccesses)),
            _ => (2, Formula.NumberOf(name), 0, rest.Length == 0 ? ">" : rest, Of(BucketAccesses)),
        };

        int Of(string[] accesses) => words[2].Split(',').Sum(word => 1 << Array.IndexOf(accesses, word));
    }

    private static string NameOf(int name) => name < 2 ? $"KV_{"ab"[name]}" : "c";

    // Those that are no bucket have numbers of their own.
    private static int NumberOf(string stream) => stream.StartsWith("KV_", StringComparison.Ordinal) ? Formula.NumberOf(stream[3..]) : 1000 + Formula.NumberOf(stream);

    private static string Words(string[] accesses, int access) => string.Join(',', accesses.Where((_, bit) => (access >> bit & 1) != 0));

    private static string Bits(int access) => string.Create(CultureInfo.InvariantCulture, $"#b{access:b5}");

    private static string Has(int access) => $"(distinct (bvand access {Bits(access)}) #b00000)";

    private static string Define(string name, string formula) => $"(define-fun {name} () Bool {formula})";
}
