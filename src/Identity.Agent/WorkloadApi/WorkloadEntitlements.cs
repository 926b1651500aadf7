using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Grpc.Core;
using Identity.Agent.ControlPlane;
using Identity.Agent.Decisions;
using Identity.Agent.NodeEnrollment;
using Identity.Agent.WorkloadAttestation;

namespace Identity.Agent.WorkloadApi;

/// <summary>Decides which identities a process has. No entry means none, and the refusal says what was nearest.</summary>
internal sealed class WorkloadEntitlements(WorkloadAttestor attestor, ViewHolder views, NodeIdentity identity, DecisionLog decisions, TimeProvider time)
{
    // Status details travel in a header; a process may be in a thousand groups.
    private const int MaxShown = 1024;
    private const int MaxKept = 20_000;
    private const string PathSelector = "unix:path:";
    private const string Unidentified = "the caller came by TCP, where the kernel names no process; use the agent's Unix socket";

    private const string Unwanted = "the server no longer wants this node: it was banned, or its agent was deleted";

    // The server hears of no decision of such an agent any more: when it named none of its own, the sentence must say it all.
    private const string ExplainedNowhere = Unwanted + "; this decision is explained nowhere else";

    // One for each kind of question: the answer for the many is of the same kind.
    private readonly RepeatedRefusals _unfit = new();
    private readonly RepeatedRefusals _named = new();
    private readonly RepeatedRefusals _refused = new();
    private volatile OfView? _ofView;

    /// <summary>Throws PermissionDenied with a decision ID, or Unavailable before the server has told anything.</summary>
    /// <param name="change">An attestation begun after this moment will do; null to look now.</param>
    public async Task<Entitlement> DemandAsync(PeerConnection? peer, Change? change = null)
    {
        var view = CurrentView();
        return await FindAsync(view, peer, change) switch
        {
            // Not a refusal: who is told that it has no identity forgets the one it has.
            (PeerAttestation.Attested { IsHashPending: true } attested, _) when view.Entries.WantsHashOf(attested.Selectors) =>
                throw new RpcException(new Status(StatusCode.Unavailable, "an entry asks for the hash of the calling process's executable, which takes long to read; retry")),
            (PeerAttestation.Attested, { } entitlement) => entitlement,
            (PeerAttestation.Attested, null) when view.IsRevoked => throw RefuseUnwanted(view, peer),
            (PeerAttestation.Attested attested, null) => throw Denied(DenyUnfit(view, peer!, attested)),
            (PeerAttestation.Refused refused, _) => throw Refuse(view, peer, refused.Reason),
            _ => throw new RpcException(new Status(StatusCode.PermissionDenied, "no identity issued")),
        };
    }

    /// <summary>As <see cref="DemandAsync"/>, but null where that refuses.</summary>
    public async Task<Entitlement?> FindAsync(PeerConnection? peer) => (await FindAsync(CurrentView(), peer, null)).Entitlement;

    /// <summary>True while nothing moved that an entitlement follows from, except perhaps the process itself.</summary>
    public bool StillHolds([NotNullWhen(true)] Entitlement? entitlement) =>
        entitlement is not null && ReferenceEquals(entitlement.View, views.Current) && time.GetUtcNow() < entitlement.Until;

    public ControlPlaneView CurrentView() =>
        views.Current ?? throw new RpcException(new Status(StatusCode.Unavailable, "the agent has not heard from its server yet; retry"));

    public RpcException DenyNamed(ControlPlaneView view, PeerConnection peer, string spiffeId) => Denied(_named.Find(view, peer.Owner, spiffeId, isTooMany =>
    {
        var decision = Denial(view, $"the calling process is not entitled to {(isTooMany ? "any of the many SPIFFE IDs it asked for" : spiffeId)}");
        if (!isTooMany) decision.Subject = spiffeId;
        return decisions.Record(decision, caller: NameOf(peer));
    }));

    public RpcException DenyEnded(PeerConnection peer) => Refuse(CurrentView(), peer, "the calling process is gone");

    public RpcException DenyUnidentified() => Refuse(CurrentView(), null, Unidentified);

    private async Task<(PeerAttestation Attestation, Entitlement? Entitlement)> FindAsync(ControlPlaneView view, PeerConnection? peer, Change? change)
    {
        if (peer is null) return (new PeerAttestation.Refused(Unidentified), null);
        var withHash = view.Entries.WantsExecutableHash;
        PeerAttestation attestation;
        try
        {
            attestation = await (change is null ? attestor.AttestAsync(peer.Process, withHash) : attestor.AttestAsync(peer.Process, withHash, change));
        }
        catch (IOException)
        {
            // Out of descriptors, say: nothing that speaks against the caller.
            throw new RpcException(new Status(StatusCode.Unavailable, "the calling process cannot be looked at now; retry"));
        }

        return (attestation, attestation is PeerAttestation.Attested attested ? Of(view).Find(attested, time.GetUtcNow()) : null);
    }

    private OfView Of(ControlPlaneView view)
    {
        var ofView = _ofView;
        if (!ReferenceEquals(ofView?.View, view)) _ofView = ofView = new OfView(view);
        return ofView;
    }

    // One decision for all of a node's workloads: the server's own.
    private RpcException RefuseUnwanted(ControlPlaneView view, PeerConnection? peer) =>
        view.RevokedBy is { } decision ? Denied(new V1.Decision { Id = decision, Summary = Unwanted }) : Refuse(view, peer, ExplainedNowhere);

    private RpcException Refuse(ControlPlaneView view, PeerConnection? peer, string reason) => Denied(_refused.Find(
        view, peer?.Owner ?? PeerConnection.Nobody, reason, _ => decisions.Record(Denial(view, reason), caller: NameOf(peer))));

    // The first that asked; others of the same user and program get the same decision.
    private static string NameOf(PeerConnection? peer) => peer is null ? "a caller by TCP" : $"process {peer.Pid} of user {peer.Uid}";

    // The ID first: clients cut long details short.
    public static RpcException Denied(V1.Decision decision) =>
        new(new Status(StatusCode.PermissionDenied, $"no identity issued (decision {decision.Id}): {decision.Summary}"));

    private V1.Decision DenyUnfit(ControlPlaneView view, PeerConnection peer, PeerAttestation.Attested attested) =>
        _unfit.Find(view, peer.Owner, $"{attested.Key}\0{attested.WithoutPath}", isTooMany => decisions.Record(
            isTooMany
                ? Denial(view, $"no registration entry fits this process, nor many others of user {peer.Uid}")
                : Unfit(view, attested),
            caller: NameOf(peer)));

    private V1.Decision Unfit(ControlPlaneView view, PeerAttestation.Attested attested)
    {
        var selectors = attested.Selectors;
        var shown = string.Join(", ", selectors.Order(StringComparer.Ordinal));
        if (shown.Length > MaxShown) shown = shown[..MaxShown] + "…";
        // Before the selectors: they are long, and who is told may cut.
        var withoutPath = attested.WithoutPath is { } why ? $", which has neither unix:path nor unix:sha256: {why}" : "";
        var decision = Denial(view, $"no registration entry fits this process{withoutPath} ({shown})");
        var nearest = EntryIndex.FindNearest(view.Entries.All.Where(e => !e.IsForComponent && !e.IsForNode), selectors);
        var asked = selectors.Where(s => s.StartsWith("unix:uid:", StringComparison.Ordinal) || s.StartsWith(PathSelector, StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        decision.Reasons.Add(new V1.Reason
        {
            Capability = "an X509-SVID or JWT-SVID",
            Rule = nearest?.Entry.Id ?? "",
            Explanation = nearest switch
            {
                null => "this node has no registration entry for a process",
                { Missing.IsEmpty: true } => $"the entry of {nearest.Entry.SpiffeId} has expired",
                _ => $"the nearest entry is that of {nearest.Entry.SpiffeId}, which also asks for {string.Join(", ", nearest.Missing)}",
            } + Beware(selectors),
            // Without its path the entry would be for every program of this user; the sentence says what to do instead.
            SmallestGrant = attested.WithoutPath is not null ? "" : EntryText.Of(
                $"spiffe://{identity.Current.Id.TrustDomain}/workloads/NAME", nearest?.Entry.Parent.ToString() ?? identity.Current.Id.ToString(), asked),
        });
        return decision;
    }

    // The suggested entry would be taken as it stands.
    private static string Beware(IReadOnlySet<string> selectors)
    {
        if (!selectors.Any(s => s.StartsWith(PathSelector, StringComparison.Ordinal)))
            return "; beware: without unix:path an entry fits every process of this user";
        return selectors.FirstOrDefault(s => s.StartsWith(PathSelector, StringComparison.Ordinal) && s.EndsWith("/dotnet", StringComparison.Ordinal)) is { } shared
            ? $"; beware: {shared} is what every .NET program of this user has that is started as `dotnet App.dll`; start the program by its own executable and register that"
            : "";
    }

    private static V1.Decision Denial(ControlPlaneView view, string summary) =>
        new() { Kind = V1.DecisionKind.WorkloadSvid, Allowed = false, Summary = summary, PolicyRevision = view.PolicyRevision };

    /// <summary>What was looked up in one view. Processes that differ and are entitled to the same share one entitlement.</summary>
    private sealed class OfView(ControlPlaneView view)
    {
        private readonly ConcurrentDictionary<string, Entitlement> _bySelectors = new(StringComparer.Ordinal);
        private readonly ConcurrentDictionary<string, Entitlement> _byEntries = new(StringComparer.Ordinal);

        public ControlPlaneView View => view;

        public Entitlement? Find(PeerAttestation.Attested attested, DateTimeOffset now)
        {
            if (_bySelectors.TryGetValue(attested.Key, out var kept) && now < kept.Until) return kept;
            var entries = view.Entries.Matching(attested.Selectors, now);
            // Who fits nothing is not remembered: there is no end of such.
            if (entries.Count == 0) return null;
            var found = _byEntries.GetOrAdd(string.Join('\0', entries.Select(e => e.Id)), static (_, of) => Make(of.view, of.entries), (view, entries));
            // Selectors are a stranger's choice, as far as names of programs go.
            if (_bySelectors.Count >= MaxKept) _bySelectors.Clear();
            _bySelectors[attested.Key] = found;
            return found;
        }

        private static Entitlement Make(ControlPlaneView view, List<AuthorizedEntry> entries)
        {
            var until = entries.Where(e => e.ExpiresAt != 0).Select(e => e.ExpiresAt).DefaultIfEmpty(long.MaxValue).Min();
            return new Entitlement(view, [.. entries], until == long.MaxValue ? DateTimeOffset.MaxValue : DateTimeOffset.FromUnixTimeSeconds(until));
        }
    }
}
