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
    ];

    private readonly ulong[] _permitted;
    private readonly ulong[] _forbidden;
    private readonly Dictionary<Capability, int> _numbers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, ulong> _others = [];

    private RequestBoard(string[] kinds)
    {
        Capabilities = [.. PlainMeaning.Patterns.Where(IsOfKind).Select(Capability.Parse)];
        Requests =
        [
            .. PlainMeaning.Things.Where(thing => IsOfKind(thing) && !thing.StartsWith("natsRespond", StringComparison.Ordinal)).Concat(Wide.Where(IsOfKind))
                .Select(CapabilityRequest.Parse)
                .DistinctBy(request => string.Concat(Capabilities.Select(capability => PolicyWorld.Matches(capability, request) ? '2' : PolicyWorld.Touches(capability, request) ? '1' : '0'))),
        ];
        if (Requests.Length > 64) throw new InvalidOperationException($"{Requests.Length} requests of {string.Join(' ', kinds)} do not fit into one number");
        _permitted = [.. Capabilities.Select(capability => PlainMeaning.IsGrantable(capability.ToString()) ? Asked(request => PolicyWorld.Matches(capability, request)) : 0)];
        _forbidden = [.. Capabilities.Select(capability => Asked(request => PolicyWorld.Touches(capability, request)))];
        Single = Asked(request => !request.ToString().Contains('*', StringComparison.Ordinal));
        Mergeable = Asked(request => request.ToString().Contains(',', StringComparison.Ordinal));
        for (var i = 0; i < Capabilities.Length; i++) _numbers.Add(Capabilities[i], i);

        bool IsOfKind(string text) => kinds.Contains(text.Split(' ')[0]);
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
        if (!_others.TryGetValue(text, out var asked)) _others.Add(text, asked = PlainMeaning.IsGrantable(text) ? Asked(request => PolicyWorld.Matches(capability, request)) : 0);
        return asked;
    }

    private ulong Asked(Func<CapabilityRequest, bool> isAsked)
    {
        var asked = 0ul;
        for (var i = 0; i < Requests.Length; i++) asked |= isAsked(Requests[i]) ? 1ul << i : 0;
        return asked;
    }
}
