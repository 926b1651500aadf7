using System.Collections.Immutable;
using Identity.Ledger.V1;
using Identity.Policy;
using Spire.Api.Types;

namespace Identity.Server.Ledger;

/// <summary>
/// Everything the control plane knows at one revision: the fold of all transactions up to it. Immutable, and so are the messages in it:
/// they are shared by every reader, so clone one before changing it.
/// </summary>
internal sealed class ControlPlaneState
{
    private readonly ImmutableDictionary<string, ImmutableHashSet<string>> _entryIdsByParent;
    private readonly ImmutableDictionary<SPIFFEID, ImmutableArray<Entry>> _entriesBySpiffeId;

    private ControlPlaneState(
        ulong revision,
        string traceparent,
        ImmutableDictionary<string, Entry> entries,
        ImmutableDictionary<string, ImmutableHashSet<string>> entryIdsByParent,
        ImmutableDictionary<SPIFFEID, ImmutableArray<Entry>> entriesBySpiffeId,
        ImmutableDictionary<string, AgentRecord> agents,
        ImmutableDictionary<string, JoinTokenRecord> joinTokens,
        ImmutableSortedDictionary<string, AppliedPolicy> policies,
        ImmutableDictionary<string, AuthorityRecord> authorities,
        ImmutableSortedDictionary<string, Bundle> federatedBundles,
        ImmutableSortedDictionary<string, CrlRecord> crls,
        PolicyGovernance governance,
        CapabilityPolicy policy,
        ulong policyRevision,
        ulong authorityRevision,
        ulong entitlementRevision)
    {
        Revision = revision;
        Traceparent = traceparent;
        Entries = entries;
        _entryIdsByParent = entryIdsByParent;
        _entriesBySpiffeId = entriesBySpiffeId;
        Agents = agents;
        JoinTokens = joinTokens;
        Policies = policies;
        Authorities = authorities;
        FederatedBundles = federatedBundles;
        Crls = crls;
        Governance = governance;
        Policy = policy;
        PolicyRevision = policyRevision;
        AuthorityRevision = authorityRevision;
        EntitlementRevision = entitlementRevision;
    }

    public static ControlPlaneState Empty { get; } = new(
        0,
        "",
        ImmutableDictionary<string, Entry>.Empty,
        ImmutableDictionary<string, ImmutableHashSet<string>>.Empty,
        ImmutableDictionary<SPIFFEID, ImmutableArray<Entry>>.Empty,
        ImmutableDictionary<string, AgentRecord>.Empty,
        ImmutableDictionary<string, JoinTokenRecord>.Empty,
        ImmutableSortedDictionary.Create<string, AppliedPolicy>(StringComparer.Ordinal),
        ImmutableDictionary<string, AuthorityRecord>.Empty,
        ImmutableSortedDictionary.Create<string, Bundle>(StringComparer.Ordinal),
        ImmutableSortedDictionary.Create<string, CrlRecord>(StringComparer.Ordinal),
        PolicyGovernance.Empty,
        CapabilityPolicy.Empty,
        0,
        0,
        0);

    /// <summary>The number of the last transaction; 0 before the first.</summary>
    public ulong Revision { get; }

    /// <summary>W3C trace context of the last transaction; empty when it had none.</summary>
    public string Traceparent { get; }

    /// <summary>Registration entries by id.</summary>
    public ImmutableDictionary<string, Entry> Entries { get; }

    /// <summary>Attested agents by SPIFFE ID, banned ones included.</summary>
    public ImmutableDictionary<string, AgentRecord> Agents { get; }

    /// <summary>Join tokens not yet consumed, by the SHA-256 of the token in lower-case hexadecimal. Some may have expired.</summary>
    public ImmutableDictionary<string, JoinTokenRecord> JoinTokens { get; }

    /// <summary>Policy documents by name, in ordinal order.</summary>
    public ImmutableSortedDictionary<string, AppliedPolicy> Policies { get; }

    /// <summary>Public sides of the signing keys, by id.</summary>
    public ImmutableDictionary<string, AuthorityRecord> Authorities { get; }

    /// <summary>What to trust for other trust domains, by name, in ordinal order.</summary>
    public ImmutableSortedDictionary<string, Bundle> FederatedBundles { get; }

    /// <summary>Certificate revocation lists by the id of the authority that signed each, in ordinal order.</summary>
    public ImmutableSortedDictionary<string, CrlRecord> Crls { get; }

    /// <summary>Who may change <see cref="Policies"/>, what waits for approval, and what was in force when.</summary>
    public PolicyGovernance Governance { get; }

    /// <summary>The documents of <see cref="Policies"/>, compiled.</summary>
    public CapabilityPolicy Policy { get; }

    /// <summary>The last revision at which a policy document changed.</summary>
    public ulong PolicyRevision { get; }

    /// <summary>The last revision at which an authority changed, and the trust bundle with it.</summary>
    public ulong AuthorityRevision { get; }

    /// <summary>
    /// The last revision at which an entry or a policy document changed or an agent was banned or deleted: what somebody was entitled to before
    /// may have changed with it.
    /// </summary>
    public ulong EntitlementRevision { get; }

    /// <summary>The entries that give this SPIFFE ID, by whatever parent.</summary>
    public ImmutableArray<Entry> EntriesOf(SPIFFEID? id) => id is null ? [] : _entriesBySpiffeId.GetValueOrDefault(id, []);

    /// <summary>The entries whose parent is this SPIFFE ID; direct children only.</summary>
    public IEnumerable<Entry> EntriesFor(string parentSpiffeId)
    {
        if (!_entryIdsByParent.TryGetValue(parentSpiffeId, out var ids))
        {
            yield break;
        }
        foreach (var id in ids)
        {
            yield return Entries[id];
        }
    }

    /// <summary>Spells a SPIFFE ID message as text.</summary>
    public static string Text(SPIFFEID? id) => id is null ? "" : $"spiffe://{id.TrustDomain}{id.Path}";

    /// <summary>Applies transactions one after the other, in order, to a copy that only it sees.</summary>
    public sealed class Fold(ControlPlaneState state)
    {
        private readonly ImmutableDictionary<string, Entry>.Builder _entries = state.Entries.ToBuilder();
        private readonly ImmutableDictionary<string, ImmutableHashSet<string>>.Builder _children = state._entryIdsByParent.ToBuilder();
        private readonly ImmutableDictionary<SPIFFEID, ImmutableArray<Entry>>.Builder _sameId = state._entriesBySpiffeId.ToBuilder();
        private readonly ImmutableDictionary<string, AgentRecord>.Builder _agents = state.Agents.ToBuilder();
        private readonly ImmutableDictionary<string, JoinTokenRecord>.Builder _joinTokens = state.JoinTokens.ToBuilder();
        private readonly ImmutableSortedDictionary<string, AppliedPolicy>.Builder _policies = state.Policies.ToBuilder();
        private readonly ImmutableDictionary<string, AuthorityRecord>.Builder _authorities = state.Authorities.ToBuilder();
        private readonly ImmutableSortedDictionary<string, Bundle>.Builder _federatedBundles = state.FederatedBundles.ToBuilder();
        private readonly ImmutableSortedDictionary<string, CrlRecord>.Builder _crls = state.Crls.ToBuilder();
        private PolicyGovernance _governance = state.Governance;
        private ulong _revision = state.Revision;
        private ulong _policyRevision = state.PolicyRevision;
        private ulong _authorityRevision = state.AuthorityRevision;
        private ulong _entitlementRevision = state.EntitlementRevision;
        private string _traceparent = state.Traceparent;

        public Fold Apply(Transaction transaction)
        {
            _revision++;
            _traceparent = transaction.Traceparent;
            foreach (var change in transaction.Changes)
            {
                Apply(change, transaction);
            }
            return this;
        }

        public ControlPlaneState ToState() => new(
            _revision,
            _traceparent,
            _entries.ToImmutable(),
            _children.ToImmutable(),
            _sameId.ToImmutable(),
            _agents.ToImmutable(),
            _joinTokens.ToImmutable(),
            _policies.ToImmutable(),
            _authorities.ToImmutable(),
            _federatedBundles.ToImmutable(),
            _crls.ToImmutable(),
            _governance,
            _policyRevision == state.PolicyRevision ? state.Policy : Compile(),
            _policyRevision,
            _authorityRevision,
            _entitlementRevision);

        private CapabilityPolicy Compile() => AppliedPolicy.Compile(_policies.Values, _policyRevision);

        private void Apply(Change change, Transaction by)
        {
            _governance = _governance.Apply(change, by, _revision);
            switch (change.ChangeCase)
            {
                case Change.ChangeOneofCase.EntrySet:
                    RemoveEntry(change.EntrySet.Id);
                    AddEntry(change.EntrySet);
                    _entitlementRevision = _revision;
                    break;
                case Change.ChangeOneofCase.EntryDeleted:
                    RemoveEntry(change.EntryDeleted);
                    _entitlementRevision = _revision;
                    break;
                case Change.ChangeOneofCase.JoinTokenCreated:
                    ForgetTokensExpiredAt(by.At.ToDateTimeOffset());
                    _joinTokens[Convert.ToHexStringLower(change.JoinTokenCreated.TokenHash.Span)] = change.JoinTokenCreated;
                    break;
                case Change.ChangeOneofCase.JoinTokenConsumed:
                    _joinTokens.Remove(Convert.ToHexStringLower(change.JoinTokenConsumed.Span));
                    break;
                case Change.ChangeOneofCase.AgentSet:
                    _agents[change.AgentSet.SpiffeId] = change.AgentSet;
                    if (change.AgentSet.Banned) _entitlementRevision = _revision;
                    break;
                case Change.ChangeOneofCase.AgentDeleted:
                    _agents.Remove(change.AgentDeleted);
                    _entitlementRevision = _revision;
                    break;
                case Change.ChangeOneofCase.PolicySet:
                    _policies[change.PolicySet.Name] = AppliedPolicy.Of(change.PolicySet, by, _revision);
                    _policyRevision = _entitlementRevision = _revision;
                    break;
                case Change.ChangeOneofCase.PolicyDeleted:
                    _policies.Remove(change.PolicyDeleted);
                    _policyRevision = _entitlementRevision = _revision;
                    break;
                case Change.ChangeOneofCase.AuthoritySet:
                    _authorities[change.AuthoritySet.Id] = change.AuthoritySet;
                    _authorityRevision = _revision;
                    break;
                case Change.ChangeOneofCase.AuthorityDeleted:
                    _authorities.Remove(change.AuthorityDeleted);
                    _crls.Remove(change.AuthorityDeleted);
                    _authorityRevision = _revision;
                    break;
                case Change.ChangeOneofCase.FederatedBundleSet:
                    _federatedBundles[change.FederatedBundleSet.TrustDomain] = change.FederatedBundleSet;
                    break;
                case Change.ChangeOneofCase.FederatedBundleDeleted:
                    _federatedBundles.Remove(change.FederatedBundleDeleted);
                    break;
                case Change.ChangeOneofCase.CrlSet:
                    _crls[change.CrlSet.AuthorityId] = change.CrlSet;
                    break;
                case Change.ChangeOneofCase.PolicyRoleSet or Change.ChangeOneofCase.PolicyRoleDeleted
                    or Change.ChangeOneofCase.PolicyProposed or Change.ChangeOneofCase.PolicyApproved or Change.ChangeOneofCase.PolicyProposalClosed
                    or Change.ChangeOneofCase.PolicyStageSet:
                    break;
                default:
                    // A kind this version does not know: skipping it could drop a ban or a forbid.
                    throw new InvalidDataException($"Transaction {_revision} holds a change this version does not know.");
            }
        }

        private void AddEntry(Entry entry)
        {
            _entries[entry.Id] = entry;
            var parent = Text(entry.ParentId);
            _children[parent] = _children.GetValueOrDefault(parent, ImmutableHashSet<string>.Empty).Add(entry.Id);
            if (entry.SpiffeId is { } id) _sameId[id] = _sameId.GetValueOrDefault(id, []).Add(entry);
        }

        private void RemoveEntry(string id)
        {
            if (!_entries.Remove(id, out var entry))
            {
                return;
            }
            if (entry.SpiffeId is { } spiffeId)
            {
                var others = _sameId[spiffeId].RemoveAll(other => other.Id == id);
                if (others.IsEmpty) _sameId.Remove(spiffeId);
                else _sameId[spiffeId] = others;
            }

            var parent = Text(entry.ParentId);
            var left = _children[parent].Remove(id);
            if (left.IsEmpty)
            {
                _children.Remove(parent);
            }
            else
            {
                _children[parent] = left;
            }
        }

        // By the transaction's own time, so that every fold of the same transactions gives the same state.
        private void ForgetTokensExpiredAt(DateTimeOffset now)
        {
            foreach (var (hash, token) in _joinTokens.ToArray())
            {
                if (token.ExpiresAt.ToDateTimeOffset() < now)
                {
                    _joinTokens.Remove(hash);
                }
            }
        }
    }
}
