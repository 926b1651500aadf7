using Google.Protobuf;
using Grpc.Core;
using Identity.Issuance;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spiffe.Net;
using Spire.Api.Server.Svid.V1;
using Types = Spire.Api.Types;

namespace Identity.Server.SvidSigning;

/// <summary>
/// <c>spire.api.server.svid.v1.SVID</c>. Agents get what the entries below them say and nothing else: of a request only its key and the
/// entry's id are read. Operators may mint without an entry. WIT-SVIDs and downstream authorities are not served.
/// </summary>
internal sealed class SvidService(ControlPlaneLedger ledger, AgentEntries agentEntries, SigningAuthority authority, StageObservations staged) : SVID.SVIDBase
{
    /// <summary>As SPIRE.</summary>
    public const int MaxBatch = 500;

    private const int MaxTtlSeconds = 365 * 24 * 3600;

    public override async Task<BatchNewX509SVIDResponse> BatchNewX509SVID(BatchNewX509SVIDRequest request, ServerCallContext context)
    {
        if (request.Params.Count is 0 or > MaxBatch)
        {
            throw Invalid($"{request.Params.Count} SVIDs were asked for; expected 1 to {MaxBatch}");
        }
        var (agent, entries) = EntriesOf(context);
        // Each waits for the same commit, so they are started together and share its fsync.
        var results = await Task.WhenAll(request.Params.Select(p => NewX509SvidAsync(agent, entries, p, context.CancellationToken)));
        var response = new BatchNewX509SVIDResponse();
        response.Results.AddRange(results);
        return response;
    }

    public override async Task<NewJWTSVIDResponse> NewJWTSVID(NewJWTSVIDRequest request, ServerCallContext context)
    {
        var (agent, entries) = EntriesOf(context);
        if (!entries.TryGetValue(request.EntryId, out var entry))
        {
            throw new RpcException(new Status(StatusCode.NotFound, NotEntitled));
        }
        var signing = await authority.SignJwtAsync(
            new JwtSigningRequest(SpiffeId.Parse(entry.SpiffeId.ToText()), [.. request.Audience], agent.Author)
            {
                EntryId = entry.Id,
                Lifetime = Lifetime(entry.JwtSvidTtl),
                Until = entry.EndsAt(),
            },
            context.CancellationToken);
        if (signing is JwtSigning.Issued issued) staged.GaveTokens(issued.Svid.Id, request.Audience.Where(audience => !NatsAudience.TryReadAdmission(audience, issued.Svid.Id.TrustDomain, out _)));
        return new NewJWTSVIDResponse { Svid = Wire(signing, entry.Hint) };
    }

    public override async Task<MintX509SVIDResponse> MintX509SVID(MintX509SVIDRequest request, ServerCallContext context)
    {
        if (!CertificateSigningRequest.TryParse(request.Csr.Memory, out var csr, out var problem))
        {
            throw Invalid($"csr: {problem}");
        }
        if (csr.UriNames is not [var uri])
        {
            throw Invalid($"csr: it has {csr.UriNames.Count} URI names; expected one, the SPIFFE ID to mint");
        }
        if (!SpiffeId.TryParse(uri, out var id, out problem))
        {
            throw Invalid($"csr: {problem}");
        }
        Require(!ReservedPaths.ForbidsMintingX509(id), id);
        // Whoever has an SVID of that ID is that person, and two people would be one.
        if (ledger.State.Governance.Roles.Of(PolicyPerson.Of(id)).FirstOrDefault() is { } role)
        {
            throw Invalid($"{id} is named by the PolicyRole {Quote.From(role.Name)} and cannot be minted: whoever had it could agree to a change in that person's name. Register an entry for them");
        }
        var signing = await authority.SignX509Async(
            new X509SigningRequest(id, csr.PublicKey, Caller.Of(context).Author)
            {
                DnsNames = csr.DnsNames,
                IpAddresses = csr.IpAddresses,
                Lifetime = Ttl(request.Ttl),
                Kind = IssuanceRecord.Types.Kind.ServerCertificate,
                IsLongLived = true,
            },
            context.CancellationToken);
        return signing switch
        {
            X509Signing.Issued(var svid) => new MintX509SVIDResponse { Svid = Wire(svid, "") },
            X509Signing.Refused(var reason) => throw Invalid(reason),
            _ => throw Invalid("no answer"),
        };
    }

    public override async Task<MintJWTSVIDResponse> MintJWTSVID(MintJWTSVIDRequest request, ServerCallContext context)
    {
        if (!WireSpiffeId.TryParse(request.Id, "id", authority.TrustDomain, out var id, out var problem))
        {
            throw Invalid(problem);
        }
        Require(!ReservedPaths.Contains(id), id);
        var signing = await authority.SignJwtAsync(
            new JwtSigningRequest(id, [.. request.Audience], Caller.Of(context).Author) { Lifetime = Ttl(request.Ttl) },
            context.CancellationToken);
        return new MintJWTSVIDResponse { Svid = Wire(signing, "") };
    }

    private const string NotEntitled = "there is no such entry below this agent";

    private (Caller.Agent Agent, IReadOnlyDictionary<string, Types.Entry> Entries) EntriesOf(ServerCallContext context)
    {
        if (Caller.Of(context) is not Caller.Agent agent)
        {
            throw new RpcException(new Status(StatusCode.PermissionDenied, "only an attested agent may ask for SVIDs of entries"));
        }
        return (agent, agentEntries.Of(agent.Id));
    }

    // One item's refusal is its own; the others are answered.
    private async Task<BatchNewX509SVIDResponse.Types.Result> NewX509SvidAsync(
        Caller.Agent agent, IReadOnlyDictionary<string, Types.Entry> entries, NewX509SVIDParams wish, CancellationToken cancellation)
    {
        if (!entries.TryGetValue(wish.EntryId, out var entry))
        {
            return Refused(StatusCode.NotFound, NotEntitled);
        }
        if (!CertificateSigningRequest.TryParse(wish.Csr.Memory, out var csr, out var problem))
        {
            return Refused(StatusCode.InvalidArgument, $"csr: {problem}");
        }
        var signing = await authority.SignX509Async(
            new X509SigningRequest(SpiffeId.Parse(entry.SpiffeId.ToText()), csr.PublicKey, agent.Author)
            {
                DnsNames = [.. entry.DnsNames],
                EntryId = entry.Id,
                Lifetime = Lifetime(entry.X509SvidTtl),
                Until = entry.EndsAt(),
            },
            cancellation);
        return signing switch
        {
            X509Signing.Issued(var svid) => new() { Status = new Types.Status { Code = (int)StatusCode.OK }, Svid = Wire(svid, entry.Hint) },
            X509Signing.Refused(var reason) => Refused(StatusCode.FailedPrecondition, reason),
            _ => Refused(StatusCode.Internal, "no answer"),
        };
    }

    // An operator who needs the server's or an agent's identity attests for it; a minted one would pass for an attested one.
    private void Require(bool isMintable, SpiffeId id)
    {
        if (!isMintable)
        {
            throw Invalid($"{id} is reserved and cannot be minted: {ReservedPaths.Explanation}");
        }
        if (!id.IsMemberOf(authority.TrustDomain))
        {
            throw Invalid($"{id} is not in this trust domain; expected spiffe://{authority.TrustDomain}/…");
        }
    }

    private static TimeSpan? Lifetime(int entrySeconds) => entrySeconds > 0 ? TimeSpan.FromSeconds(entrySeconds) : null;

    private static TimeSpan? Ttl(int seconds) => seconds switch
    {
        0 => null,
        < 0 or > MaxTtlSeconds => throw Invalid($"ttl is {seconds} seconds; expected 0 (the default) to {MaxTtlSeconds}"),
        _ => TimeSpan.FromSeconds(seconds),
    };

    private static BatchNewX509SVIDResponse.Types.Result Refused(StatusCode code, string message) =>
        new() { Status = new Types.Status { Code = (int)code, Message = message } };

    private static Types.X509SVID Wire(IssuedX509Svid svid, string hint)
    {
        var wire = new Types.X509SVID { Id = svid.Id.ToWire(), ExpiresAt = svid.NotAfter.ToUnixTimeSeconds(), Hint = hint };
        wire.CertChain.AddRange(svid.Chain.Select(c => ByteString.CopyFrom(c.Span)));
        return wire;
    }

    private static Types.JWTSVID Wire(JwtSigning signing, string hint) => signing switch
    {
        JwtSigning.Issued(var svid) => new Types.JWTSVID
        {
            Id = svid.Id.ToWire(),
            Token = svid.Token,
            IssuedAt = svid.IssuedAt.ToUnixTimeSeconds(),
            ExpiresAt = svid.ExpiresAt.ToUnixTimeSeconds(),
            Hint = hint,
        },
        JwtSigning.Refused(var reason, true) => throw Invalid(reason),
        // An agent takes what is invalid for its workload's fault, and a client that is told so drops the token it holds: what lies with us passes.
        JwtSigning.Refused(var reason, _) => throw new RpcException(new Status(StatusCode.FailedPrecondition, reason)),
        _ => throw new RpcException(new Status(StatusCode.Internal, "no answer")),
    };

    private static RpcException Invalid(string problem) => new(new Status(StatusCode.InvalidArgument, problem));
}

internal static class SvidSigningSetup
{
    extension(WebApplication app)
    {
        public WebApplication MapSvidSigning()
        {
            app.MapGrpcService<SvidService>();
            app.MapGrpcService<WitSigningService>();
            return app;
        }
    }
}
