using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Server.Administration;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Server.NodeAttestation;

/// <summary>What operators do with agents: invite one by a join token, ban it, forget it.</summary>
internal sealed class AgentRegistry(ControlPlaneLedger ledger, TrustDomain trustDomain, TimeProvider time)
{
    public static readonly TimeSpan MaxTokenTtl = TimeSpan.FromHours(24);

    /// <param name="alias">A node alias for the agent to come, created with the token or not at all; null for none.</param>
    public async Task<DateTimeOffset> CreateJoinTokenAsync(
        JoinTokenText token, TimeSpan ttl, SpiffeId? alias, string author, CancellationToken cancellation)
    {
        var expiresAt = time.GetUtcNow() + ttl;
        var agentId = token.AgentId(trustDomain);
        var entry = alias is null ? null : ParseAlias(alias, agentId);
        await ledger.ChangeAsync(author, state => Propose(state), cancellation);
        return expiresAt;

        Proposal<bool> Propose(ControlPlaneState state)
        {
            if (state.JoinTokens.ContainsKey(token.HashHex) || state.Agents.ContainsKey(agentId.ToString()))
            {
                throw new RpcException(new Status(StatusCode.AlreadyExists, "this join token exists or was used before; leave it out to be given a new one"));
            }

            var changes = new List<Change>
            {
                new() { JoinTokenCreated = new JoinTokenRecord { TokenHash = ByteString.CopyFrom(token.Hash), ExpiresAt = Timestamp.FromDateTimeOffset(expiresAt) } },
            };
            if (entry is not null && new EntryChanges(state, [entry]).FindLike(entry) is null)
            {
                changes.Add(new() { EntrySet = entry.ToWire(Guid.NewGuid().ToString(), revisionNumber: 0, time.GetUtcNow()) });
            }

            return new(true, changes, "create join token");
        }
    }

    public Task BanAsync(SpiffeId id, string author, CancellationToken cancellation) =>
        ledger.ChangeAsync(
            author,
            state =>
            {
                var agent = Find(state, id);
                if (agent.Banned) return new(true, [], "");
                var banned = agent.Clone();
                banned.Banned = true;
                return new Proposal<bool>(true, [new Change { AgentSet = banned }], "ban agent");
            },
            cancellation);

    /// <summary>Forgets the agent. Its SVID is refused from then on; a new join token may make an agent of the node again.</summary>
    public Task DeleteAsync(SpiffeId id, string author, CancellationToken cancellation) =>
        ledger.ChangeAsync(
            author,
            state => new Proposal<bool>(true, [new Change { AgentDeleted = Find(state, id).SpiffeId }], "delete agent"),
            cancellation);

    public static AgentRecord Find(ControlPlaneState state, SpiffeId id) =>
        state.Agents.GetValueOrDefault(id.ToString())
        ?? throw new RpcException(new Status(StatusCode.NotFound, $"there is no agent {id}"));

    // As SPIRE: an entry below the agent that the agent itself matches; what is registered below the alias is then the agent's.
    private RegistrationEntry ParseAlias(SpiffeId alias, SpiffeId agentId)
    {
        var wire = new Types.Entry { SpiffeId = alias.ToWire(), ParentId = agentId.ToWire() };
        wire.Selectors.Add(new Types.Selector { Type = SelectorText.SpiffeIdType, Value = agentId.ToString() });
        return RegistrationEntry.TryParse(wire, trustDomain, out var entry, out var problem)
            ? entry
            : throw new RpcException(new Status(StatusCode.InvalidArgument, $"agent_id: {problem}"));
    }
}
