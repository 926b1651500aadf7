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
    ControlPlaneLedger ledger, SigningAuthority authority, LiveAdmissions admissions, DecisionLog decisions, ShadowCounts shadows, TimeProvider time,
    StageObservations? observations = null) : INatsLoginBackend
{
    /// <summary>Logins of one identity that are kept at once; then ten a second. More would push the decisions about others out of the log.</summary>
    public const int DecisionsAtOnce = 600;

    private const int MaxIdentities = 250_000;
    private static readonly TimeSpan EachDecision = TimeSpan.FromMinutes(1) / DecisionsAtOnce;

    private readonly TokenBuckets<string> _kept = new(time, DecisionsAtOnce, EachDecision, MaxIdentities);

    public LoginFacts Facts
    {
        get
        {
            var state = ledger.State;
            return new LoginFacts(state.Policy, new TrustBundleSet(authority.Bundle(state)), id => StandingOf(state, id), state.EntitlementRevision) { IsAdmitted = admissions.IsLive };
        }
    }

    public string Record(Decision decision)
    {
        if (decision.Allowed && SpiffeId.TryParse(decision.Subject, out var id, out _)) observations?.LoggedIn(id);
        // Those that name nobody have a bound of their own.
        var recorded = decision.Subject.Length == 0 || _kept.TryTake(decision.Subject) ? decisions.Record(decision) : DecisionId.Create();
        shadows.Record(decision.Shadow, recorded, ledger.State.Policy);
        return recorded;
    }

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
        ulong? told = null;
        await foreach (var state in ledger.WatchAsync(cancellation))
        {
            if (state.EntitlementRevision == told) continue;
            told = state.EntitlementRevision;
            yield return Facts;
        }
    }

    private LoginStanding StandingOf(ControlPlaneState state, SpiffeId id)
    {
        var now = time.GetUtcNow();
        var entries = InForce(state, id.ToWire(), now);
        if (entries.Count == 0) return new LoginStanding.Refused("it has no registration entry, or that has expired");

        // One entry that makes it a component is enough: the stricter rule holds.
        if (entries.Any(entry => entry.Selectors.Any(selector => selector.Type == "wasm")))
        {
            return admissions.Find(id, out var differing, out var signers) is { } admission && ComponentDigest.TryParse(admission.Digest, out var digest, out _)
                ? new LoginStanding.AdmittedComponent(digest, admission.Host, differing) { Signers = admission.Signers, SignersOfAll = signers }
                : new LoginStanding.Refused("it is a component, and no agent reports an admission of it", IsUnreported: true);
        }

        return HasAgent(state, entries, now)
            ? new LoginStanding.Workload(EndOf(entries))
            : new LoginStanding.Refused("no attested agent that is not banned may vouch for it");
    }

    private static DateTimeOffset? EndOf(IReadOnlyList<Entry> entries) =>
        entries.Any(entry => entry.ExpiresAt == 0) ? null : DateTimeOffset.FromUnixTimeSeconds(entries.Max(entry => entry.ExpiresAt));

    // The same question as AuthorizedEntries, asked from below: upwards there are a few steps, downwards a million entries.
    private bool HasAgent(ControlPlaneState state, IReadOnlyList<Entry> entries, DateTimeOffset now)
    {
        var server = ReservedPaths.Server(authority.TrustDomain).ToWire();
        var seen = new HashSet<Spire.Api.Types.SPIFFEID>();
        var open = new Queue<Spire.Api.Types.SPIFFEID>(entries.Select(entry => entry.ParentId));
        while (open.TryDequeue(out var parent))
        {
            if (!seen.Add(parent)) continue;
            if (state.Agents.TryGetValue(parent.ToText(), out var agent) && !agent.Banned) return true;
            foreach (var entry in InForce(state, parent, now))
            {
                if (!entry.ParentId.Equals(server)) open.Enqueue(entry.ParentId);
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

    private static IReadOnlyList<Entry> InForce(ControlPlaneState state, Spire.Api.Types.SPIFFEID? id, DateTimeOffset now) =>
        [.. state.EntriesOf(id).Where(entry => entry.ExpiresAt == 0 || entry.ExpiresAt > now.ToUnixTimeSeconds())];
}
