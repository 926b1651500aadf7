using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Grpc.Core;
using Identity.Policy;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Identity.V1;
using Spiffe.Net;
using Principal = Identity.Policy.Principal;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>Answers what the policy of any revision says, and what one revision says that another does not. Nothing is recorded.</summary>
internal sealed class PolicyQuestions(ControlPlaneLedger ledger, PolicyRevisions revisions, TimeProvider time)
{
    private const int MaxSigners = 64;
    private const int MaxRequestCharacters = 4096;
    private const int MaxLines = 1000;

    private delegate bool Parse<T>(string? text, [NotNullWhen(true)] out T? value, [NotNullWhen(false)] out string? problem);

    public DecideAtResponse Decide(DecideAtRequest request)
    {
        var state = ledger.State;
        var policy = revisions.PolicyAt(state, PolicyRevisions.Check(request.AtRevision, state));
        var principal = ReadPrincipal(request);
        if (request.Request.Length > MaxRequestCharacters) throw Invalid($"the request has more than {MaxRequestCharacters} characters");
        if (!CapabilityRequest.TryParse(request.Request, out var asked, out var problem)) throw Invalid($"request: {problem}");
        var now = request.AtTime?.ToDateTimeOffset() ?? time.GetUtcNow();
        var decision = PolicyDecision.Decide(policy, principal, asked, now);
        var explanation = PolicyDecision.Explain(policy, principal, asked, now);
        var response = new DecideAtResponse
        {
            Allowed = decision.Allowed,
            PolicyRevision = (ulong)policy.Revision,
            Rule = decision.Determining?.ToString() ?? "",
            Explanation = string.Join('\n', explanation.Refusals),
            SmallestGrant = explanation.SmallestGrant ?? "",
        };
        response.Notes.AddRange(explanation.Notes);
        if (decision.Allowed && WhyNotOnNats(policy, principal, asked, now) is { } why) response.Notes.Add($"nats-server refuses it all the same: {why}");
        return response;
    }

    // Not everything that policy can say can be told to nats-server.
    private static string? WhyNotOnNats(CapabilityPolicy policy, Principal principal, CapabilityRequest asked, DateTimeOffset now)
    {
        var explanation = asked switch
        {
            CapabilityRequest.NatsPublish publish => NatsExplanation.WhyNot(policy, principal, NatsAction.Publish, publish.Subject, now),
            CapabilityRequest.NatsSubscribe { Queue: null } subscribe => NatsExplanation.WhyNot(policy, principal, NatsAction.Subscribe, subscribe.Subject, now),
            _ => null,
        };
        return explanation?.Refusals is [var first, ..] ? first.Detail : null;
    }

    public DiffRevisionsResponse Diff(DiffRevisionsRequest request)
    {
        var state = ledger.State;
        var (from, to) = (PolicyRevisions.Check(request.FromRevision, state), PolicyRevisions.Check(request.ToRevision, state));
        var difference = AuthorityDifference.Between(revisions.PolicyAt(state, from), revisions.PolicyAt(state, to), time.GetUtcNow());
        return new DiffRevisionsResponse
        {
            FromRevision = from,
            ToRevision = to,
            Gained = { difference.Gained.Take(MaxLines) },
            Lost = { difference.Lost.Take(MaxLines) },
        };
    }

    private static Principal ReadPrincipal(DecideAtRequest request)
    {
        if (request.Signers.Count > MaxSigners) throw Invalid($"{request.Signers.Count} signers are named; at most {MaxSigners} are allowed");
        var absent = PrincipalAttributes.None;
        foreach (var word in request.KnownAbsent)
        {
            absent |= word switch
            {
                "digest" => PrincipalAttributes.Digest,
                "signer" => PrincipalAttributes.Signer,
                "image" => PrincipalAttributes.Image,
                "host" => PrincipalAttributes.Host,
                "namespace" => PrincipalAttributes.Namespace,
                "lattice" => PrincipalAttributes.Lattice,
                _ => throw Invalid($"known_absent: {Quote.From(word)} is no attribute; expected digest, signer, image, host, namespace or lattice"),
            };
        }

        var unknown = PrincipalAttributes.None;
        return new Principal
        {
            Id = Read<SpiffeId>(request.SpiffeId, "spiffe_id", SpiffeId.TryParse) ?? throw Invalid("spiffe_id is missing"),
            Digest = Told(Read<ComponentDigest>(request.Digest, "digest", ComponentDigest.TryParse), PrincipalAttributes.Digest),
            Signers = [.. request.Signers.Select(signer => Read<SignerName>(signer, "signers", SignerName.TryParse) ?? throw Invalid("a signer has no name"))],
            Image = Told(Read<ImageReference>(request.Image, "image", ImageReference.TryParse), PrincipalAttributes.Image),
            Host = Told(Read<SpiffeId>(request.Host, "host", SpiffeId.TryParse), PrincipalAttributes.Host),
            Namespace = Told(request.Namespace.Length > 0 ? request.Namespace : null, PrincipalAttributes.Namespace),
            Lattice = Told(request.Lattice.Length > 0 ? request.Lattice : null, PrincipalAttributes.Lattice),
            Unknown = (unknown | (request.Signers.Count == 0 ? PrincipalAttributes.Signer : PrincipalAttributes.None)) & ~absent,
        };

        // Evaluated in the order above, so Unknown has seen all of them.
        T? Told<T>(T? value, PrincipalAttributes attribute) where T : class
        {
            if (value is null) unknown |= attribute;
            else if ((absent & attribute) != 0) throw Invalid($"{attribute} is given and said to be absent");
            return value;
        }
    }

    private static T? Read<T>(string text, string field, Parse<T> parse) where T : class =>
        text.Length == 0 ? null : parse(text, out var value, out var problem) ? value : throw Invalid($"{field}: {problem}");

    private static RpcException Invalid(string problem) => new(new Status(StatusCode.InvalidArgument, problem));
}
