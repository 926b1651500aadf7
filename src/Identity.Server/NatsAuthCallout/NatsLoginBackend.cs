using System.Collections.Frozen;
using System.Collections.Immutable;
using Identity.Policy;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
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
            return new LoginFacts(state.Policy, new TrustBundleSet(authority.Bundle(state)), id => StandingOf(registered, id));
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

    private LoginStanding StandingOf(RegisteredIds registered, SpiffeId id)
    {
        switch (registered.Find(id, time.GetUtcNow()))
        {
            case Registered.Workload:
                return new LoginStanding.Workload();
            case Registered.Component:
                return admissions.Find(id) is { } admission && ComponentDigest.TryParse(admission.Digest, out var digest, out _)
                    ? new LoginStanding.AdmittedComponent(digest, admission.Host)
                    : new LoginStanding.Refused("it is a component, and no agent reports an admission of it");
            default:
                return new LoginStanding.Refused("it has no registration entry, or that has expired");
        }
    }

    private enum Registered
    {
        No = 0,
        Workload,
        Component,
    }

    // Made anew when the entries change: a login looks up one SPIFFE ID, the ledger keeps entries by their own id.
    private sealed class RegisteredIds(ImmutableDictionary<string, Entry> entries)
    {
        private readonly FrozenDictionary<string, Entry[]> _byId =
            entries.Values.GroupBy(entry => ControlPlaneState.Text(entry.SpiffeId)).ToFrozenDictionary(group => group.Key, group => group.ToArray());

        public ImmutableDictionary<string, Entry> Source => entries;

        public Registered Find(SpiffeId id, DateTimeOffset now)
        {
            if (!_byId.TryGetValue(id.ToString(), out var found)) return Registered.No;
            var inForce = found.Where(entry => entry.ExpiresAt == 0 || entry.ExpiresAt > now.ToUnixTimeSeconds()).ToArray();
            if (inForce.Length == 0) return Registered.No;

            // One entry that makes it a component is enough: the stricter rule holds.
            return inForce.Any(entry => entry.Selectors.Any(selector => selector.Type == "wasm")) ? Registered.Component : Registered.Workload;
        }
    }
}
