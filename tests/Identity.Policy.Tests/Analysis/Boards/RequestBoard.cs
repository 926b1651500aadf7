using System.Collections.Immutable;
using Identity.Policy.Tests.Language;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// At most 64 requests of one kind or two, so that a set of them is one number, and capabilities about them. Of each sort of requests that the
/// capabilities can tell apart there is one. What means what is read from <see cref="PlainMeaning"/>.
/// </summary>
internal sealed class RequestBoard
{
    // Requests for several things at once, some of each sort, by far not all; and what is not asked for one by one.
    private static readonly string[] Wide =
    [
        .. PlainMeaning.Wide, "import a:b/j", "import a:b/i@1.0.0", "export a:b/i", "natsPublish a.>", "natsPublish *.b", "natsPublish >", "natsSubscribe a.*.b", "natsSubscribe a.* r",
        "stream S info,read", "stream S purge,manage", "stream S info,manage", "consumer S/c info,consume", "consumer S/c consume,manage", "bucket B/> read", "bucket B/a.* watch,read", "bucket C/a.b read,write",
        "connect *.x:443", "connect a.x:443-444", "connect *.x:*", "connect 10.0.0.0/16:443", "connect 10.0.0.0/8:1-443", "connect 10.0.0.1:443-8000", "connect [2001:db8::]/32:443", "connect 0.0.0.0/0:8000",
        "resolve *.a.x", "resolve *", "config *", "secret a/*", "secret a/b/*", "mount /a/b/*", "mount /*", "natsRespond",
    ];

    public static readonly ImmutableArray<RequestBoard> All =
    [
        .. new[]
        {
            "start", "import", "export", "natsPublish", "natsSubscribe", "natsRespond", "stream", "consumer", "bucket", "connect", "resolve", "config", "secret", "audience", "mount",
            "start import", "natsPublish natsRespond", "stream consumer", "config secret", "resolve mount", "export audience",
        }.Select(kinds => new RequestBoard(kinds.Split(' '))),
        // A bucket, the stream that it is, and consumers of that: two of each, and beside them a stream that is no bucket.
        new RequestBoard(
            [
                "stream KV_B info", "stream KV_B read", "stream KV_B consume", "stream KV_B purge", "stream KV_B manage,info", "stream KV_C info,read,consume,purge,manage", "stream S read,consume",
                "consumer KV_B/c info", "consumer KV_B/c consume", "consumer KV_B/c manage", "consumer KV_B/d info,consume,manage", "consumer KV_C/c consume", "consumer S/c info,consume",
                "bucket B/> read", "bucket B/> write", "bucket B/> watch", "bucket B/> manage", "bucket B/a.> read", "bucket B/a.b read,watch", "bucket B/a.> write", "bucket C/> read,write,watch,manage",
            ],
            [
                "stream KV_B info", "stream KV_B read", "stream KV_B consume", "stream KV_B purge", "stream KV_B manage", "stream KV_B info,read", "stream KV_B consume,manage", "stream KV_C read", "stream KV_C manage", "stream S read",
                "stream S consume", "consumer KV_B/c info", "consumer KV_B/c consume", "consumer KV_B/c manage", "consumer KV_B/c info,consume", "consumer KV_B/d info", "consumer KV_B/d consume", "consumer KV_C/c consume",
                "consumer S/c info", "consumer S/c consume", "bucket B/> read", "bucket B/a.b read", "bucket B/a.c read", "bucket B/x read", "bucket B/a.b write", "bucket B/x write", "bucket B/> watch", "bucket B/a.b watch",
                "bucket B/a.c watch", "bucket B/x watch", "bucket B/> manage", "bucket B/a.b read,watch", "bucket B/x write,manage", "bucket C/a read", "bucket C/a watch", "bucket C/a manage", "bucket C/a write",
            ]),
    ];

    private readonly ulong[] _permitted;
    private readonly ulong[] _forbidden;
    private readonly WordWorld? _words;
    private readonly Dictionary<Capability, int> _numbers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, ulong> _others = [];
    private readonly Dictionary<string, (ulong Permitting, ulong Forbidding)> _askedBeside = [];

    private RequestBoard(string[] kinds)
        : this(
            [.. PlainMeaning.Patterns.Where(text => IsOfKind(kinds, text))],
            [.. PlainMeaning.Things.Where(thing => IsOfKind(kinds, thing) && !thing.StartsWith("natsRespond", StringComparison.Ordinal)), .. Wide.Where(text => IsOfKind(kinds, text))],
            words: null)
    {
    }

    private RequestBoard(string[] capabilities, string[] requests)
        : this(capabilities, requests, WordWorld.Of([.. capabilities, .. requests]))
    {
    }

    private RequestBoard(string[] capabilities, string[] requests, WordWorld? words)
    {
        _words = words;
        Capabilities = [.. capabilities.Select(Capability.Parse)];
        Requests =
        [
            .. requests.Select(CapabilityRequest.Parse)
                .DistinctBy(request => string.Concat(Capabilities.Select(capability => (char)('0' + (Matches(capability, request) ? 2 : 0) + (Forbids(capability, request) ? 1 : 0))))),
        ];
        if (Requests.Length > 64) throw new InvalidOperationException($"{Requests.Length} requests such as {requests[0]} do not fit into one number");
        _permitted = [.. Capabilities.Select(capability => PlainMeaning.IsGrantable(capability.ToString()) ? Asked(request => Matches(capability, request)) : 0)];
        _forbidden = [.. Capabilities.Select(capability => Asked(request => Forbids(capability, request)))];
        Single = Asked(request => !request.ToString().Contains('*', StringComparison.Ordinal));
        Mergeable = Asked(request => request.ToString().Contains(',', StringComparison.Ordinal));
        for (var i = 0; i < Capabilities.Length; i++) _numbers.Add(Capabilities[i], i);
    }

    public ImmutableArray<Capability> Capabilities { get; }

    public ImmutableArray<CapabilityRequest> Requests { get; }

    /// <summary>The requests for single names; the others ask for a pattern of names.</summary>
    public ulong Single { get; }

    /// <summary>Requests for several accesses to one thing.</summary>
    public ulong Mergeable { get; }

    /// <summary>The requests that a capability of the board means, for a permit or for a forbid.</summary>
    public ulong Asked(int capability, bool permits) => permits ? _permitted[capability] : _forbidden[capability];

    public int NumberOf(Capability capability) => _numbers[capability];

    /// <summary>The requests that a permit for any capability means.</summary>
    public ulong Permitted(Capability capability)
    {
        var text = capability.ToString();
        if (!_others.TryGetValue(text, out var asked)) _others.Add(text, asked = PlainMeaning.IsGrantable(text) ? Asked(request => Matches(capability, request)) : 0);
        return asked;
    }

    /// <summary>For any request, be it of the board or not, the capabilities of the board by which a permit means it, and those by which a forbid does.</summary>
    public (ulong Permitting, ulong Forbidding) About(CapabilityRequest request)
    {
        var text = request.ToString();
        if (_askedBeside.TryGetValue(text, out var about)) return about;
        var words = WordWorld.Of([.. Capabilities.Select(capability => capability.ToString()), text]);
        for (var i = 0; i < Capabilities.Length; i++)
        {
            var capability = Capabilities[i].ToString();
            if (PlainMeaning.IsGrantable(capability) && words.Matches(capability, text)) about.Permitting |= 1ul << i;
            if (words.Forbids(capability, text)) about.Forbidding |= 1ul << i;
        }

        _askedBeside.Add(text, about);
        return about;
    }

    private static bool IsOfKind(string[] kinds, string text) => kinds.Contains(text.Split(' ')[0]);

    private bool Matches(Capability capability, CapabilityRequest request) =>
        _words?.Matches(capability.ToString(), request.ToString()) ?? PolicyWorld.Matches(capability, request);

    private bool Forbids(Capability capability, CapabilityRequest request) =>
        _words?.Forbids(capability.ToString(), request.ToString()) ?? PolicyWorld.Forbids(capability, request);

    private ulong Asked(Func<CapabilityRequest, bool> isAsked)
    {
        var asked = 0ul;
        for (var i = 0; i < Requests.Length; i++) asked |= isAsked(Requests[i]) ? 1ul << i : 0;
        return asked;
    }
}
