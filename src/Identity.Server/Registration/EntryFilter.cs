using Spire.Api.Server.Entry.V1;
using Spire.Api.Types;
using static Spire.Api.Types.SelectorMatch.Types;

namespace Identity.Server.Registration;

/// <summary>Which entries a list or a count is about. What is not asked for does not narrow.</summary>
internal sealed class EntryFilter
{
    public static readonly EntryFilter Everything = new();

    private SPIFFEID? _spiffeId;
    private HashSet<string>? _selectors;
    private MatchBehavior _match;
    private string? _hint;
    private bool? _downstream;
    private HashSet<string>? _federatesWith;
    private FederatesWithMatch.Types.MatchBehavior _federationMatch;

    /// <summary>The text of the parent's SPIFFE ID when the question is about one parent; the index answers that without a scan.</summary>
    public string? Parent { get; private init; }

    public static EntryFilter From(ListEntriesRequest.Types.Filter? wire) => wire is null
        ? Everything
        : Build(wire.BySpiffeId, wire.ByParentId, wire.BySelectors, wire.ByFederatesWith, wire.ByHint, wire.ByDownstream);

    public static EntryFilter From(CountEntriesRequest.Types.Filter? wire) => wire is null
        ? Everything
        : Build(wire.BySpiffeId, wire.ByParentId, wire.BySelectors, wire.ByFederatesWith, wire.ByHint, wire.ByDownstream);

    public bool Matches(Spire.Api.Types.Entry entry) =>
        (Parent is null || entry.ParentId.ToText() == Parent)
        && (_spiffeId is null || entry.SpiffeId.Equals(_spiffeId))
        && (_hint is null || entry.Hint == _hint)
        && (_downstream is null || entry.Downstream == _downstream)
        && (_selectors is null || Compares(_selectors, [.. entry.Selectors.Select(SelectorText.From)], _match))
        && (_federatesWith is null || Compares(_federatesWith, [.. entry.FederatesWith], (MatchBehavior)(int)_federationMatch));

    /// <summary>As SPIRE: subset and superset are said of the entry's selectors towards the ones asked for.</summary>
    public static bool Compares(HashSet<string> asked, HashSet<string> had, MatchBehavior match) => match switch
    {
        MatchBehavior.MatchExact => had.SetEquals(asked),
        MatchBehavior.MatchSubset => had.IsSubsetOf(asked),
        MatchBehavior.MatchSuperset => had.IsSupersetOf(asked),
        MatchBehavior.MatchAny => had.Overlaps(asked),
        _ => false,
    };

    private static EntryFilter Build(
        SPIFFEID? spiffeId, SPIFFEID? parentId, SelectorMatch? selectors, FederatesWithMatch? federatesWith, string? hint, bool? downstream) => new()
        {
            Parent = parentId?.ToText(),
            _spiffeId = spiffeId,
            _selectors = selectors is null ? null : [.. selectors.Selectors.Select(SelectorText.From)],
            _match = selectors?.Match ?? MatchBehavior.MatchExact,
            _federatesWith = federatesWith is null ? null : [.. federatesWith.TrustDomains],
            _federationMatch = federatesWith?.Match ?? default,
            _hint = hint,
            _downstream = downstream,
        };
}
