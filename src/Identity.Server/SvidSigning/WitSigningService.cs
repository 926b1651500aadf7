using Grpc.Core;
using Identity.Server.Authority;
using Identity.Server.Endpoints;
using Identity.Server.Registration;
using Identity.V1;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Server.SvidSigning;

/// <summary><c>identity.v1.WitSigning</c>: WIT-SVIDs for entries below the calling agent, when they are turned on.</summary>
internal sealed class WitSigningService(AgentEntries agentEntries, SigningAuthority authority) : Identity.V1.WitSigning.WitSigningBase
{
    public override async Task<NewWitSvidResponse> NewWitSvid(NewWitSvidRequest request, ServerCallContext context)
    {
        // First, so that an agent learns that the profile is off and not that its entry or key is wrong.
        if (!authority.IssuesWitSvids)
        {
            throw new RpcException(new Grpc.Core.Status(StatusCode.Unimplemented, "WIT-SVIDs are off; identityd --wit-svid true turns them on"));
        }
        if (Caller.Of(context) is not Caller.Agent agent)
        {
            throw new RpcException(new Grpc.Core.Status(StatusCode.PermissionDenied, "only an attested agent may ask for SVIDs of entries"));
        }
        var entry = agentEntries.Of(agent.Id).GetValueOrDefault(request.EntryId)
            ?? throw new RpcException(new Grpc.Core.Status(StatusCode.NotFound, "there is no such entry below this agent"));
        if (!ProofKey.TryParse(request.Jwk.Memory, out var proofKey, out var problem))
        {
            throw new RpcException(new Grpc.Core.Status(StatusCode.InvalidArgument, $"jwk: {problem}"));
        }
        var signing = await authority.SignWitAsync(
            new WitSigningRequest(SpiffeId.Parse(entry.SpiffeId.ToText()), proofKey, agent.Author)
            {
                EntryId = entry.Id,
                // As for X509-SVIDs, which are bound to a key as well.
                Lifetime = entry.X509SvidTtl > 0 ? TimeSpan.FromSeconds(entry.X509SvidTtl) : null,
                Until = entry.EndsAt(),
            },
            context.CancellationToken);
        return signing switch
        {
            Authority.WitSigning.Issued(var svid) => new NewWitSvidResponse
            {
                Svid = new Types.WITSVID
                {
                    Id = svid.Id.ToWire(),
                    Token = svid.Token,
                    IssuedAt = svid.IssuedAt.ToUnixTimeSeconds(),
                    ExpiresAt = svid.ExpiresAt.ToUnixTimeSeconds(),
                    Hint = entry.Hint,
                },
            },
            Authority.WitSigning.Refused(var reason) => throw new RpcException(new Grpc.Core.Status(StatusCode.FailedPrecondition, reason)),
            _ => throw new RpcException(new Grpc.Core.Status(StatusCode.Internal, "no answer")),
        };
    }
}
