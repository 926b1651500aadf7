using System.Collections.Immutable;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Identity.Server.Authority;
using Identity.Server.Bundles;
using Identity.Server.Ledger;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Writes snapshots. Policy, bundle and revocation lists are the same for every agent that was told the same before, and are serialized once for all of those.
/// </summary>
internal sealed class SnapshotComposer(SigningAuthority authority)
{
    /// <summary>How long an agent may go on deciding when the server is away.</summary>
    public static readonly TimeSpan Freshness = TimeSpan.FromHours(1);

    // Most agents were told the revision before, some just came, and a few lag behind.
    private const int MaxParts = 4;

    private ImmutableArray<SharedPart> _newest = [];

    /// <param name="told">What the agent was told last on the same call; null when nothing yet.</param>
    /// <param name="isPacked">Whether the agent can read <see cref="PackedDocuments"/>.</param>
    /// <param name="traceparent">Of the change that caused this snapshot; empty when none did.</param>
    public SnapshotFrame Compose(ControlPlaneState state, AgentView view, AgentView? told, bool isPacked, string traceparent, DateTimeOffset now)
    {
        var own = new Snapshot
        {
            Revision = state.Revision,
            Traceparent = traceparent,
            FreshUntil = Timestamp.FromDateTimeOffset(now + Freshness),
        };
        own.Entries.AddRange(view.Entries);
        own.FederatedBundles.AddRange(view.FederatedBundles);
        return new SnapshotFrame(Shared(state, told, isPacked), own);
    }

    private byte[] Shared(ControlPlaneState state, AgentView? told, bool isPacked)
    {
        // Two streams may both serialize a new state; one result stays. A lock would make thousands of streams queue for nothing.
        var newest = _newest;
        var since = told?.PolicyRevision ?? 0;
        foreach (var part in newest)
        {
            if (part.Since == since
                && part.IsPacked == isPacked
                && part.PolicyRevision == state.PolicyRevision
                && ReferenceEquals(part.Authorities, state.Authorities)
                && ReferenceEquals(part.Crls, state.Crls)) return part.Bytes;
        }

        var policy = PolicyOf(state, since == 0 ? null : told);
        if (isPacked) PackedDocuments.Pack(policy);
        var shared = new Snapshot { Bundle = BundleWire.From(authority.Bundle(state), state), Policy = policy };
        shared.Crls.AddRange(state.Crls.Values.Select(crl => crl.Der));
        var bytes = shared.ToByteArray();
        _newest = [new SharedPart(since, isPacked, state.PolicyRevision, state.Authorities, state.Crls, bytes), .. newest.Take(MaxParts - 1)];
        return bytes;
    }

    private static PolicySnapshot PolicyOf(ControlPlaneState state, AgentView? told)
    {
        var before = told?.Policies ?? state.Policies.Clear();
        var policy = new PolicySnapshot { Revision = state.PolicyRevision, BaseRevision = told?.PolicyRevision ?? 0 };
        if (ReferenceEquals(before, state.Policies)) return policy;
        foreach (var (name, document) in state.Policies)
        {
            if (before.GetValueOrDefault(name)?.Text != document.Text) policy.Documents.Add(name, document.Text);
        }

        policy.Removed.AddRange(before.Keys.Where(name => !state.Policies.ContainsKey(name)));
        return policy;
    }

    private sealed record SharedPart(ulong Since, bool IsPacked, ulong PolicyRevision, object Authorities, object Crls, byte[] Bytes);
}
