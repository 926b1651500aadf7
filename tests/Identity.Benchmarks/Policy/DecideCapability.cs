using System.Collections.Frozen;
using BenchmarkDotNet.Attributes;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Benchmarks.Policy;

/// <summary>
/// How long does one decision take, and does it depend on the number of rules or on how they differ? The floor is one look into a frozen
/// dictionary by the same SPIFFE ID. Asked as every door asks, with what nats-server makes of streams and buckets.
/// </summary>
[MemoryDiagnoser]
public class DecideCapability
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private FrozenDictionary<SpiffeId, string> _floor = FrozenDictionary<SpiffeId, string>.Empty;
    private CapabilityPolicy _perCaller = CapabilityPolicy.Empty;
    private CapabilityPolicy _perTarget = CapabilityPolicy.Empty;
    private CapabilityPolicy _perStream = CapabilityPolicy.Empty;
    private Principal _caller = null!;
    private CapabilityRequest _import = null!;
    private CapabilityRequest _publish = null!;
    private CapabilityRequest _connectName = null!;
    private CapabilityRequest _connectAddress = null!;
    private CapabilityRequest _severalNames = null!;
    private CapabilityRequest _severalSubjects = null!;
    private CapabilityRequest _severalAddresses = null!;
    private CapabilityRequest _notGranted = null!;
    private CapabilityRequest _stream = null!;
    private CapabilityRequest _consumer = null!;
    private CapabilityRequest _bucket = null!;

    [Params(10, 1_000, 10_000)]
    public int Rules { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _caller = Principal.Component(IdOf(Rules / 2), ComponentDigest.Of("component"u8), SpiffeId.Parse("spiffe://example.org/hosts/local")) with { Unknown = PrincipalAttributes.None };
        _floor = Enumerable.Range(0, Rules).ToFrozenDictionary(IdOf, number => $"rule-{number}");
        // Either each rule is for somebody else, or all are for everybody and each is about something else.
        _perCaller = PolicyOf(number => RuleOf(number, new PolicySubject { SpiffeId = IdOf(number) }, "import wasi:io/*@0.2.0", "natsPublish orders.*.paid", "connect *.example.com:443", "connect 10.0.0.0/8:*"));
        _perTarget = PolicyOf(number => RuleOf(
            number, new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org") },
            $"import wasi:io{number}/*@0.2.0", $"natsPublish orders{number}.*.paid", $"connect *.h{number}.example.com:443", $"connect 10.{number / 256}.{number % 256}.0/24:*"));
        _import = CapabilityRequest.Parse("import wasi:io/poll@0.2.3");
        _publish = CapabilityRequest.Parse($"natsPublish orders{Rules / 2}.7.paid");
        _connectName = CapabilityRequest.Parse($"connect api.h{Rules / 2}.example.com:443");
        _connectAddress = CapabilityRequest.Parse($"connect 10.{Rules / 2 / 256}.{Rules / 2 % 256}.9:5432");
        _severalNames = CapabilityRequest.Parse($"connect *.h{Rules / 2}.example.com:443");
        _severalSubjects = CapabilityRequest.Parse($"natsPublish orders{Rules / 2}.*.paid");
        _severalAddresses = CapabilityRequest.Parse($"connect 10.{Rules / 2 / 256}.{Rules / 2 % 256}.0/28:5432");
        _notGranted = CapabilityRequest.Parse("audience https://vault.example.com");
        // Each second rule forbids, for everybody, something else of the bucket that the rule before it permits, so that each answer has forbids to look at.
        _perStream = PolicyOf(number => number % 2 == 0
            ? RuleOf(number, Everybody, $"stream KV_b{number} read", $"consumer KV_b{number}/worker consume", $"bucket b{number}/app.> read")
            : RuleOf(number, Everybody, $"bucket b{number - 1}/> write", $"stream KV_b{number - 1} purge") with { Effect = RuleEffect.Forbid });
        var even = Rules / 4 * 2;
        _stream = CapabilityRequest.Parse($"stream KV_b{even} read");
        _consumer = CapabilityRequest.Parse($"consumer KV_b{even}/worker consume");
        _bucket = CapabilityRequest.Parse($"bucket b{even}/app.theme read");
        if (!Stream().Allowed || !Consumer().Allowed || !Bucket().Allowed || !Import().Allowed || !Publish().Allowed || !ConnectName().Allowed || !ConnectAddress().Allowed || !SeveralNames().Allowed || !SeveralSubjects().Allowed || !SeveralAddresses().Allowed || NotGranted().Allowed)
            throw new InvalidOperationException("the policy says something else than is measured");
    }

    [Benchmark(Baseline = true, Description = "floor: one look into a frozen dictionary of IDs")]
    public bool Floor() => _floor.TryGetValue(_caller.Id, out _);

    [Benchmark(Description = "an import, each rule for another caller")]
    public CapabilityDecision Import() => NatsRights.Decide(_perCaller, _caller, _import, Now);

    [Benchmark(Description = "a NATS subject, each rule about another")]
    public CapabilityDecision Publish() => NatsRights.Decide(_perTarget, _caller, _publish, Now);

    [Benchmark(Description = "a host name, each rule about another")]
    public CapabilityDecision ConnectName() => NatsRights.Decide(_perTarget, _caller, _connectName, Now);

    [Benchmark(Description = "an address, each rule about another network")]
    public CapabilityDecision ConnectAddress() => NatsRights.Decide(_perTarget, _caller, _connectAddress, Now);

    [Benchmark(Description = "all names of a domain at once, each rule about another")]
    public CapabilityDecision SeveralNames() => NatsRights.Decide(_perTarget, _caller, _severalNames, Now);

    [Benchmark(Description = "all subjects of a pattern at once, each rule about another")]
    public CapabilityDecision SeveralSubjects() => NatsRights.Decide(_perTarget, _caller, _severalSubjects, Now);

    [Benchmark(Description = "all addresses of a network at once, each rule about another")]
    public CapabilityDecision SeveralAddresses() => NatsRights.Decide(_perTarget, _caller, _severalAddresses, Now);

    [Benchmark(Description = "a stream, each rule about another, half of them forbids")]
    public CapabilityDecision Stream() => NatsRights.Decide(_perStream, _caller, _stream, Now);

    [Benchmark(Description = "a consumer, each rule about another, half of them forbids")]
    public CapabilityDecision Consumer() => NatsRights.Decide(_perStream, _caller, _consumer, Now);

    [Benchmark(Description = "a key of a bucket, each rule about another, half of them forbids")]
    public CapabilityDecision Bucket() => NatsRights.Decide(_perStream, _caller, _bucket, Now);

    [Benchmark(Description = "refused, no rule")]
    public CapabilityDecision NotGranted() => NatsRights.Decide(_perCaller, _caller, _notGranted, Now);

    private CapabilityPolicy PolicyOf(Func<int, PolicyRule> rule) =>
        CapabilityPolicy.Create([new PolicyDocument { Name = "bench", Rules = [.. Enumerable.Range(0, Rules - 1).Select(rule), Guard, rule(Rules - 1)], Source = "" }], revision: 1);

    // A line held for everybody, which whoever asks for several things has to be told apart from.
    private static PolicyRule Guard { get; } = RuleOf(
        -1, new PolicySubject { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org") }, "connect bad.example.org:*", "connect 169.254.0.0/16:*", "natsPublish secret.>") with
    { Effect = RuleEffect.Forbid };

    private static PolicySubject Everybody { get; } = new() { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://example.org") };

    private static SpiffeId IdOf(int number) => SpiffeId.Parse($"spiffe://example.org/components/team-{number % 100}/component-{number}");

    private static PolicyRule RuleOf(int number, PolicySubject subject, params string[] capabilities) => new()
    {
        Name = $"rule-{number}",
        Effect = RuleEffect.Permit,
        Subjects = [subject],
        Capabilities = [.. capabilities.Select(Capability.Parse)],
    };
}
