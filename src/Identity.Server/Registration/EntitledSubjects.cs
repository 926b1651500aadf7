using Identity.Server.Ledger;
using Spiffe.Net;

namespace Identity.Server.Registration;

/// <summary>Of which identities an agent can speak: those it has an entry for. Remembers the answer until the entries may be others. Not for several threads.</summary>
internal sealed class EntitledSubjects(ControlPlaneLedger ledger, SpiffeId agent, TimeProvider time)
{
    private ControlPlaneState? _state;
    private DateTimeOffset? _changesAt;
    private HashSet<string> _subjects = [];

    public bool Contains(string subject)
    {
        var (state, now) = (ledger.State, time.GetUtcNow());
        if (!ReferenceEquals(state, _state) || _changesAt <= now)
        {
            _subjects = AuthorizedEntries.For(state, agent, now, out _changesAt).Select(entry => entry.SpiffeId.ToText()).ToHashSet(StringComparer.Ordinal);
            _state = state;
        }

        return _subjects.Contains(subject);
    }
}
