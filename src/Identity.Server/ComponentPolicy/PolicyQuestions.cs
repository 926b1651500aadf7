using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Google.Protobuf.WellKnownTypes;
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
internal sealed class PolicyQuestions(ControlPlaneLedger ledger, PolicyRevisions revisions, PolicyComparisons comparisons, TimeProvider time)
{
    private const int MaxSigners = 64;
    private const int MaxRequestCharacters = 4096;

    // As the fields of the request and the options of `identity policy decide` are called.
    private static readonly ImmutableArray<(string Word, PrincipalAttributes Attribute)> Attributes =
    [
        ("digest", PrincipalAttributes.Digest), ("signer", PrincipalAttributes.Signer), ("image", PrincipalAttributes.Image),
        ("host", PrincipalAttributes.Host), ("namespace", PrincipalAttributes.Namespace), ("lattice", PrincipalAttributes.Lattice),
    ];

    private delegate bool Parse<T>(string? text, [NotNullWhen(true)] out T? value, [NotNullWhen(false)] out string? problem);

    /// <exception cref="RpcException">The question is none, or too many ask for past revisions.</exception>
    public async Task<DecideAtResponse> DecideAsync(DecideAtRequest request, CancellationToken cancellation)
    {
        var state = ledger.State;
        var revision = PolicyRevisions.Check(request.AtRevision, state);
        var told = ReadPrincipal(request);
        var signers = ReadSigners(request);
        if (request.Request.Length > MaxRequestCharacters) throw Invalid($"the request has more than {MaxRequestCharacters} characters");
        if (!CapabilityRequest.TryParse(request.Request, out var asked, out var problem)) throw Invalid($"request: {problem}");
        var at = ReadTime(request.AtTime);
        // The past is read and compiled, and a signature costs what hundreds of decisions do.
        return request.AtRevision != 0 || request.Signatures is not null
            ? await comparisons.RunAsync(Answer, cancellation)
            : Answer();

        DecideAtResponse Answer()
        {
            var policy = revisions.PolicyAt(state, revision);
            // What was permitted until some day was so then: a past revision is asked by its own clock.
            var now = at ?? (request.AtRevision == 0 ? time.GetUtcNow() : revisions.TimeOf(revision));
            return Decide(policy, signers.Tell(told, policy.SignerKeys), asked, now);
        }
    }

    /// <exception cref="RpcException">A revision is not there yet, or too many ask for comparisons.</exception>
    public async Task<DiffRevisionsResponse> DiffAsync(DiffRevisionsRequest request, CancellationToken cancellation)
    {
        var state = ledger.State;
        var (from, to) = (PolicyRevisions.Check(request.FromRevision, state), PolicyRevisions.Check(request.ToRevision, state));
        var history = state.Governance.History;
        var difference = await comparisons.OfAsync(
            new(history.LastChange(from), $"{history.LastChange(to)}"),
            () => PolicyEffect.Compare(revisions.PolicyAt(state, from), revisions.PolicyAt(state, to), time.GetUtcNow()),
            cancellation);
        return new DiffRevisionsResponse
        {
            FromRevision = from,
            ToRevision = to,
            Gained = { difference.Gained.Shown(DifferenceLines.MaxKept) },
            Lost = { difference.Lost.Shown(DifferenceLines.MaxKept) },
            RolesChanged = { state.Governance.RoleHistory.ChangedBetween(from, to) },
        };
    }

    private static DecideAtResponse Decide(CapabilityPolicy policy, Principal principal, CapabilityRequest asked, DateTimeOffset now)
    {
        var decision = NatsRights.Decide(policy, principal, asked, now);
        var explanation = NatsRights.Explain(policy, principal, asked, now);
        var response = new DecideAtResponse
        {
            Allowed = decision.Allowed,
            PolicyRevision = (ulong)policy.Revision,
            Rule = decision.Determining?.ToString() ?? "",
            Explanation = string.Join('\n', explanation.Refusals),
            AtTime = Timestamp.FromDateTimeOffset(now),
        };
        // What was only not told is asked for, not granted: a grant that asks for less than the rule at hand would widen it.
        response.Untold.AddRange(Words(explanation.Refusals.Aggregate(PrincipalAttributes.None, (untold, refusal) => untold | refusal.Untold)));
        if (response.Untold.Count == 0) response.SmallestGrant = explanation.SmallestGrant ?? "";
        response.Notes.AddRange(explanation.Notes);
        if (principal.SignatureNote is { } note) response.Notes.Add($"the component {note}");
        response.Notes.AddRange(NatsNotesOf(policy, principal, asked, decision, now));
        return response;
    }

    // What nats-server makes of it. Which servers there are is not known here, so what older ones refuse is said too.
    private static IEnumerable<string> NatsNotesOf(CapabilityPolicy policy, Principal principal, CapabilityRequest asked, CapabilityDecision decision, DateTimeOffset now)
    {
        if (!NatsReach.IsAbout(asked)) return [];
        var reach = NatsReach.Of(policy, principal, now);
        string?[] notes = decision.Allowed ? [reach.WhyRefused(asked), reach.WhyRefusedOnOlder(asked)] : decision.Reason == RefusalReason.NotGranted ? [reach.WhyGiven(asked)] : [];
        return notes.OfType<string>();
    }

    private static DateTimeOffset? ReadTime(Timestamp? told)
    {
        try
        {
            return told?.ToDateTimeOffset();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw Invalid($"at_time is {told!.Seconds} s and {told.Nanos} ns; expected a moment from the year 1 to 9999, with 0 to 999999999 ns");
        }
    }

    private static Principal ReadPrincipal(DecideAtRequest request)
    {
        if (request.Signers.Count > MaxSigners) throw Invalid($"{request.Signers.Count} signers are named; at most {MaxSigners} are allowed");
        var absent = PrincipalAttributes.None;
        foreach (var word in request.KnownAbsent)
        {
            var attribute = Attributes.FirstOrDefault(known => known.Word == word).Attribute;
            if (attribute == PrincipalAttributes.None)
                throw Invalid($"known_absent: {Quote.From(word)} is no attribute; expected {string.Join(", ", Attributes[..^1].Select(known => known.Word))} or {Attributes[^1].Word}");
            absent |= attribute;
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

    private static VerifiedSigners ReadSigners(DecideAtRequest request)
    {
        if (request.Signatures is not null && (request.Signers.Count > 0 || request.KnownAbsent.Contains("signer"))) throw Invalid("signers are told by name and by signatures; tell them one way");
        return ReportedSignatures.TryRead(request.Signatures, mayVerify: null, out var signers, out var problem) ? signers : throw Invalid($"signatures: {problem}");
    }

    private static IEnumerable<string> Words(PrincipalAttributes attributes) => Attributes.Where(known => (attributes & known.Attribute) != 0).Select(known => known.Word);

    private static T? Read<T>(string text, string field, Parse<T> parse) where T : class =>
        text.Length == 0 ? null : parse(text, out var value, out var problem) ? value : throw Invalid($"{field}: {problem}");

    private static RpcException Invalid(string problem) => new(new Status(StatusCode.InvalidArgument, problem));
}
