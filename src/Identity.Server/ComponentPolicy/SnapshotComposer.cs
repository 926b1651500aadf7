using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Identity.Server.Authority;
using Identity.Server.Bundles;
using Identity.Server.Ledger;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>Writes snapshots. Policy, bundle and revocation lists are the same for every agent and are serialized once per change.</summary>
internal sealed class SnapshotComposer(SigningAuthority authority)
{
    /// <summary>How long an agent may go on deciding when the server is away.</summary>
    public static readonly TimeSpan Freshness = TimeSpan.FromHours(1);

    private SharedPart? _newest;

    /// <param name="traceparent">Of the change that caused this snapshot; empty when none did.</param>
    public SnapshotFrame Compose(ControlPlaneState state, AgentView view, string traceparent, DateTimeOffset now)
    {
        var own = new Snapshot
        {
            Revision = state.Revision,
            Traceparent = traceparent,
            FreshUntil = Timestamp.FromDateTimeOffset(now + Freshness),
        };
        own.Entries.AddRange(view.Entries);
        own.FederatedBundles.AddRange(view.FederatedBundles);
        return new SnapshotFrame(Shared(state), own);
    }

    private byte[] Shared(ControlPlaneState state)
    {
        // Two streams may both serialize a new state; one result stays. A lock would make thousands of streams queue for nothing.
        var newest = Volatile.Read(ref _newest);
        if (newest is not null
            && newest.PolicyRevision == state.PolicyRevision
            && ReferenceEquals(newest.Authorities, state.Authorities)
            && ReferenceEquals(newest.Crls, state.Crls))
        {
            return newest.Bytes;
        }

        var policy = new PolicySnapshot { Revision = state.PolicyRevision };
        policy.Documents.AddRange(state.Policies.Values.Select(document => document.Text));
        var shared = new Snapshot { Bundle = BundleWire.From(authority.Bundle(state), state), Policy = policy };
        shared.Crls.AddRange(state.Crls.Values.Select(crl => crl.Der));
        var bytes = shared.ToByteArray();
        Volatile.Write(ref _newest, new SharedPart(state.PolicyRevision, state.Authorities, state.Crls, bytes));
        return bytes;
    }

    private sealed record SharedPart(ulong PolicyRevision, object Authorities, object Crls, byte[] Bytes);
}
