using System.Diagnostics;
using Identity.Agent.ControlPlane;
using Identity.Agent.Decisions;
using Identity.Policy;

namespace Identity.Agent.Admission;

/// <summary>Yes with an entry and grants, or no with what to say about it.</summary>
internal abstract record AdmissionAnswer
{
    private AdmissionAnswer() { }

    /// <param name="ExpiresAt">The end of the lease unless it is extended.</param>
    public sealed record Yes(AuthorizedEntry Entry, Policy.Decision.Admitted Admitted, DateTimeOffset ExpiresAt) : AdmissionAnswer
    {
        /// <summary>True when a component that runs under the other may go on: same identity, same grants. Which rules gave them does not matter.</summary>
        public bool GrantsTheSameAs(Yes other) =>
            Entry.IssuesTheSameAs(other.Entry)
            && Admitted.Grants.AsSpan().SequenceEqual(other.Admitted.Grants.AsSpan())
            && Admitted.Exports.AsSpan().SequenceEqual(other.Admitted.Exports.AsSpan())
            && Admitted.Ceilings == other.Admitted.Ceilings
            && GrantsTheSame(Admitted.Nats, other.Admitted.Nats);

        private static bool GrantsTheSame(NatsPermissions a, NatsPermissions b) => (a, b) switch
        {
            (NatsPermissions.Allowed one, NatsPermissions.Allowed two) =>
                one.Publish == two.Publish && one.Subscribe == two.Subscribe && one.Responses == two.Responses && one.InboxPrefix == two.InboxPrefix,
            (NatsPermissions.Denied, NatsPermissions.Denied) => true,
            _ => false,
        };
    }

    /// <param name="Refusal">Not yet recorded: without ID, time and author.</param>
    public sealed record No(V1.Decision Refusal) : AdmissionAnswer
    {
        public bool SaysTheSameAs(No other) => Refusal.Summary == other.Refusal.Summary && Refusal.Reasons.Equals(other.Refusal.Reasons);
    }
}

/// <summary>Decides about one component with what the server last pushed. Pure but for the clock it is handed.</summary>
internal static class AdmissionDecider
{
    private static readonly TimeSpan LongestLease = TimeSpan.FromHours(1);

    public static AdmissionAnswer Decide(ControlPlaneView view, UploadedComponent component, DateTimeOffset now)
    {
        var started = Stopwatch.GetTimestamp();
        var answer = DecideOnce(view, component, now);
        Telemetry.DecisionTime.Record(Stopwatch.GetElapsedTime(started).TotalMicroseconds);
        return answer;
    }

    private static AdmissionAnswer DecideOnce(ControlPlaneView view, UploadedComponent component, DateTimeOffset now)
    {
        // 1. The host must itself be someone this agent answers for, and what it was told must not be too old.
        if (!view.Entries.Knows(component.Host)) return No(view, component, $"{component.Host} is not a host of this node", []);
        if (!view.IsFresh(now))
            return No(view, component, $"the server is away and what it told this node was good until {view.FreshUntil:O}", []);

        // 2. Who would it be? The entry that asks for most, so that a digest beats a name.
        var candidates = view.Entries.ChildrenOf(component.Host).Where(e => e.IsForComponent).ToList();
        var entry = candidates
            .Where(e => !e.IsPrivileged && !e.IsExpired(now) && component.Selectors.IsSupersetOf(e.Selectors))
            .OrderByDescending(e => e.Selectors.Length).ThenBy(e => e.SpiffeId.ToString(), StringComparer.Ordinal).ThenBy(e => e.Id, StringComparer.Ordinal)
            .FirstOrDefault();
        if (entry is null) return NoEntry(view, component, candidates, now);

        // 3. Does policy grant everything its bytes import, and what the host would call on it?
        var principal = component.Signers.Tell(Principal.Component(entry.SpiffeId, component.Digest, component.Host), view.Policy.SignerKeys);
        var start = new ComponentStart(principal, component.Name, component.Imports);
        return CallDoor.Decide(view.Policy, start, component.Called, now) switch
        {
            Policy.Decision.Admitted admitted => new AdmissionAnswer.Yes(entry, admitted, LeaseEnd(view, entry, admitted, now)),
            Policy.Decision.Denied denied => DecisionText.Denied(view, component, entry, denied),
            _ => No(view, component, "there is no decision", []),
        };
    }

    private static DateTimeOffset LeaseEnd(ControlPlaneView view, AuthorizedEntry entry, Policy.Decision.Admitted admitted, DateTimeOffset now)
    {
        DateTimeOffset[] bounds =
        [
            view.FreshUntil,
            now + LongestLease,
            admitted.ValidUntil ?? DateTimeOffset.MaxValue,
            (admitted.Nats as NatsPermissions.Allowed)?.ValidUntil ?? DateTimeOffset.MaxValue,
            entry.ExpiresAt == 0 ? DateTimeOffset.MaxValue : DateTimeOffset.FromUnixTimeSeconds(entry.ExpiresAt),
        ];
        return bounds.Min();
    }

    private static AdmissionAnswer.No NoEntry(ControlPlaneView view, UploadedComponent component, List<AuthorizedEntry> candidates, DateTimeOffset now)
    {
        var nearest = EntryIndex.FindNearest(candidates, component.Selectors);
        return No(view, component, $"no registration entry gives it an identity on {component.Host}", [new V1.Reason
        {
            Capability = "an identity",
            Rule = nearest?.Entry.Id ?? "",
            Explanation = nearest switch
            {
                null => "this host has no entry for a component",
                { Entry.IsPrivileged: true, Missing.IsEmpty: true } => $"the entry of {nearest.Entry.SpiffeId} is for administrators or downstream servers",
                { Missing.IsEmpty: true } when nearest.Entry.IsExpired(now) => $"the entry of {nearest.Entry.SpiffeId} has expired",
                _ => $"the nearest entry is that of {nearest.Entry.SpiffeId}, which also asks for {string.Join(", ", nearest.Missing)}",
            },
            SmallestGrant = EntryText.Of(
                $"spiffe://{component.Host.TrustDomain}/components/{component.Name}", component.Host.ToString(), $"wasm:digest:{component.Digest.Text}"),
        }]);
    }

    private static AdmissionAnswer.No No(ControlPlaneView view, UploadedComponent component, string why, IEnumerable<V1.Reason> reasons) =>
        DecisionText.Denied(view, component, why, reasons);
}
