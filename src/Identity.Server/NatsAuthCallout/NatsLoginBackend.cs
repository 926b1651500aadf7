using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Identity.Policy;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spiffe.Net;
using Decision = Identity.V1.Decision;
using Entry = Spire.Api.Types.Entry;

namespace Identity.Server.NatsAuthCallout;

/// <summary>This room's questions, answered by the ledger, the signing authority, the live admissions and the decision log.</summary>
internal sealed class NatsLoginBackend(
    ControlPlaneLedger ledger, SigningAuthority authority, LiveAdmissions admissions, DecisionLog decisions, TimeProvider time) : INatsLoginBackend
{
    private RegisteredIds _registered = new(ImmutableDictionary<string, Entry>.Empty);

    public LoginFacts Facts
    {
        get
        {
            var state = ledger.State;
            var registered = _registered;
            if (!ReferenceEquals(registered.Source, state.Entries)) _registered = registered = new RegisteredIds(state.Entries);
            return new LoginFacts(state.Policy, new TrustBundleSet(authority.Bundle(state)), id => StandingOf(state, registered, id));
        }
    }

    public string Record(Decision decision) => decisions.Record(decision);

    public Task RecordIssuanceAsync(IssuanceRecord intent, CancellationToken cancellation)
    {
        intent.Revision = ledger.State.Revision;
        return ledger.RecordIssuanceAsync(intent, cancellation);
    }

    public async Task<string> MintOwnTokenAsync(SpiffeId id, string audience, CancellationToken cancellation) =>
        await authority.SignJwtAsync(new JwtSigningRequest(id, [audience], "server"), cancellation) switch
        {
            JwtSigning.Issued issued => issued.Svid.Token,
            JwtSigning.Refused refused => throw new InvalidOperationException($"No token for {id}: {refused.Reason}"),
            _ => throw new InvalidOperationException($"No token for {id}."),
        };

    public IAsyncEnumerable<SpiffeId> WatchEndedAsync(CancellationToken cancellation) => admissions.WatchEndedAsync(cancellation);

    public async IAsyncEnumerable<LoginFacts> WatchFactsAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        ControlPlaneState? told = null;
        await foreach (var state in ledger.WatchAsync(cancellation))
        {
            var matters = told is null
                || state.PolicyRevision != told.PolicyRevision
                || !ReferenceEquals(state.Entries, told.Entries)
                || HasLostAnAgent(told, state);
            told = state;
            if (matters) yield return Facts;
        }
    }

    private LoginStanding StandingOf(ControlPlaneState state, RegisteredIds registered, SpiffeId id)
    {
        var now = time.GetUtcNow();
        var entries = registered.InForce(id.ToString(), now);
        if (entries.Count == 0) return new LoginStanding.Refused("it has no registration entry, or that has expired");

        // One entry that makes it a component is enough: the stricter rule holds.
        if (entries.Any(entry => entry.Selectors.Any(selector => selector.Type == "wasm")))
        {
            return admissions.Find(id) is { } admission && ComponentDigest.TryParse(admission.Digest, out var digest, out _)
                ? new LoginStanding.AdmittedComponent(digest, admission.Host)
                : new LoginStanding.Refused("it is a component, and no agent reports an admission of it");
        }

        return HasAgent(state, registered, entries, now)
            ? new LoginStanding.Workload(EndOf(entries))
            : new LoginStanding.Refused("no attested agent that is not banned may vouch for it");
    }

    private static DateTimeOffset? EndOf(IReadOnlyList<Entry> entries) =>
        entries.Any(entry => entry.ExpiresAt == 0) ? null : DateTimeOffset.FromUnixTimeSeconds(entries.Max(entry => entry.ExpiresAt));

    // The same question as AuthorizedEntries, asked from below: upwards there are a few steps, downwards a million entries.
    private bool HasAgent(ControlPlaneState state, RegisteredIds registered, IReadOnlyList<Entry> entries, DateTimeOffset now)
    {
        var server = ReservedPaths.Server(authority.TrustDomain).ToString();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var open = new Queue<string>(entries.Select(entry => ControlPlaneState.Text(entry.ParentId)));
        while (open.TryDequeue(out var parent))
        {
            if (!seen.Add(parent)) continue;
            if (state.Agents.TryGetValue(parent, out var agent) && !agent.Banned) return true;
            foreach (var entry in registered.InForce(parent, now))
            {
                var above = ControlPlaneState.Text(entry.ParentId);
                if (above != server) open.Enqueue(above);
                else if (IsAliasOfAnAgent(state, entry)) return true;
            }
        }

        return false;
    }

    private static bool IsAliasOfAnAgent(ControlPlaneState state, Entry alias)
    {
        var needed = alias.Selectors.Select(SelectorText.From).ToArray();
        const string ById = SelectorText.SpiffeIdType + ":";
        return needed.FirstOrDefault(selector => selector.StartsWith(ById, StringComparison.Ordinal)) is { } named
            ? state.Agents.TryGetValue(named[ById.Length..], out var one) && Has(one)
            : needed.Length > 0 && state.Agents.Values.Any(Has);

        bool Has(AgentRecord agent) =>
            !agent.Banned && needed.All(selector => selector == ById + agent.SpiffeId || agent.Selectors.Contains(selector));
    }

    private static bool HasLostAnAgent(ControlPlaneState before, ControlPlaneState after) =>
        !ReferenceEquals(before.Agents, after.Agents)
        && before.Agents.Any(known => !known.Value.Banned && after.Agents.GetValueOrDefault(known.Key) is null or { Banned: true });

    // Made anew when the entries change: a login looks up one SPIFFE ID, the ledger keeps entries by their own id.
    private sealed class RegisteredIds(ImmutableDictionary<string, Entry> entries)
    {
        private readonly FrozenDictionary<string, Entry[]> _byId =
            entries.Values.GroupBy(entry => ControlPlaneState.Text(entry.SpiffeId)).ToFrozenDictionary(group => group.Key, group => group.ToArray());

        public ImmutableDictionary<string, Entry> Source => entries;

        public IReadOnlyList<Entry> InForce(string id, DateTimeOffset now) => _byId.TryGetValue(id, out var found)
            ? [.. found.Where(entry => entry.ExpiresAt == 0 || entry.ExpiresAt > now.ToUnixTimeSeconds())]
            : [];
    }
}
