using Identity.Agent.ControlPlane;
using Identity.Policy;

namespace Identity.Agent.Admission;

/// <summary>Puts an answer into the words that the host, the log and `identity why` share.</summary>
internal static class DecisionText
{
    // A component may import a thousand things with long names. Its first hundred refusals, and a grant that a person could still read,
    // keep an answer, and the report of it, well below the 4 MiB at which gRPC would cut the stream.
    private const int MaxReasons = 100;
    private const int MaxGrantLength = 16 << 10;

    // Of warnings and of shadow results each (decision.proto).
    private const int MaxNotes = 64;

    public static V1.Decision Admitted(ControlPlaneView view, UploadedComponent component, AdmissionAnswer.Yes answer)
    {
        var decision = Start(view, component, isAllowed: true);
        decision.Subject = answer.Entry.SpiffeId.ToString();
        decision.Summary = $"'{component.Name}' ({component.Digest}) may start on {component.Host} as {answer.Entry.SpiffeId}: all of its {component.Imports.Imports.Length} imports are granted";
        decision.Reasons.AddRange(answer.Admitted.DeterminingRules.Take(MaxReasons).Select(rule => new V1.Reason
        {
            Capability = "start",
            Rule = rule.ToString(),
            Explanation = "permits it",
        }));
        AddShadow(decision, answer.Admitted);
        decision.Warnings.AddRange(answer.Admitted.Warnings.Take(MaxNotes).Select(warning => new V1.Reason
        {
            Capability = warning.Capability,
            Rule = warning.Rule.ToString(),
            Explanation = warning.Text,
        }));
        return decision;
    }

    public static AdmissionAnswer.No Denied(
        ControlPlaneView view, UploadedComponent component, AuthorizedEntry entry, Policy.Decision.Denied denied)
    {
        var refusals = denied.Refusals;
        var first = refusals.Length > 0 ? refusals[0].ToString() : "policy does not grant it";
        var more = refusals.Length > 1 ? $" (and {refusals.Length - 1} more)" : "";
        // Bytes that were changed after they were signed are not to be granted by their digest.
        var isUnclear = component.Signers.Problem is not null && refusals.Any(refusal => (refusal.Untold & PrincipalAttributes.Signer) != 0);
        // As at every door: where something was not told, a grant without it would be wider than the rule that asks for it.
        var isTold = refusals.All(refusal => refusal.Untold == 0);
        var grant = isTold && !isUnclear && denied.Explanation.SmallestGrant is { Length: <= MaxGrantLength } fitting ? fitting : "";
        var answer = Denied(view, component, first + more, refusals.Take(MaxReasons).Select(refusal => new V1.Reason
        {
            Capability = refusal.Capability,
            Rule = refusal.ForbiddenBy?.ToString() ?? refusal.NearestMiss?.Rule.ToString() ?? "",
            Explanation = refusal.ToString(),
            SmallestGrant = grant,
        }));
        answer.Refusal.Subject = entry.SpiffeId.ToString();
        AddShadow(answer.Refusal, denied);
        return answer;
    }

    public static AdmissionAnswer.No Denied(ControlPlaneView view, UploadedComponent component, string why, IEnumerable<V1.Reason> reasons)
    {
        var decision = Start(view, component, isAllowed: false);
        decision.Summary = $"'{component.Name}' ({component.Digest}) may not start on {component.Host}: {why}";
        decision.Reasons.AddRange(reasons);
        return new AdmissionAnswer.No(decision);
    }

    /// <summary>For rules in mode shadow the server counts what they would have done.</summary>
    private static void AddShadow(V1.Decision decision, Policy.Decision of) =>
        decision.Shadow.AddRange(of.Shadow.Take(MaxNotes).Select(outcome => new V1.ShadowOutcome
        {
            Rule = outcome.Rule.ToString(),
            WouldAllow = outcome.WouldAllow,
            Capability = outcome.Capability,
        }));

    public static V1.Admitted Message(LiveAdmission admission, UploadedComponent component, AdmissionAnswer.Yes answer, V1.Decision decision)
    {
        var ceilings = answer.Admitted.Ceilings;
        var message = new V1.Admitted
        {
            AdmissionId = admission.Id,
            SpiffeId = answer.Entry.SpiffeId.ToString(),
            Digest = component.Digest.Text,
            Nats = new V1.NatsGrant(),
            Ceilings = new V1.Ceilings
            {
                MemoryBytes = (ulong)ceilings.MemoryBytes,
                Memories = (uint)ceilings.Memories,
                Fuel = (ulong)ceilings.Fuel,
                Time = Google.Protobuf.WellKnownTypes.Duration.FromTimeSpan(ceilings.Time),
                Instances = (uint)ceilings.Instances,
                Tables = (uint)ceilings.Tables,
                TableElements = (uint)ceilings.TableElements,
            },
            Decision = decision,
            ExpiresAt = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(answer.ExpiresAt),
        };
        message.Imports.AddRange(answer.Admitted.Grants.Select(grant => grant.Import));
        message.Linked.AddRange(answer.Admitted.Grants.Select(grant => new V1.InterfaceGrant { Name = grant.Import, Functions = { grant.Functions } }));
        message.Exports.AddRange(Exports(component, answer.Admitted));
        if (answer.Admitted.Nats is NatsPermissions.Allowed nats)
        {
            message.Nats.Publish.AddRange(nats.Publish.Allow);
            message.Nats.Subscribe.AddRange(nats.Subscribe.Allow);
            message.Nats.InboxPrefix = nats.InboxPrefix;
            if (nats.Responses is { } responses)
            {
                message.Nats.MaxResponses = (uint)responses.MaxMessages;
                message.Nats.RespondWithin = Google.Protobuf.WellKnownTypes.Duration.FromTimeSpan(responses.Within);
            }
        }

        return message;
    }

    private static V1.Decision Start(ControlPlaneView view, UploadedComponent component, bool isAllowed) => new()
    {
        Kind = V1.DecisionKind.ComponentStart,
        Allowed = isAllowed,
        Subject = component.Host.ToString(),
        PolicyRevision = view.PolicyRevision,
        ComponentDigest = component.Digest.Text,
    };

    private static IEnumerable<V1.InterfaceGrant> Exports(UploadedComponent component, Policy.Decision.Admitted admitted)
    {
        var bare = component.Imports.Exports.Where(export => export.Kind == ImportKind.Function).Select(export => export.Name).ToHashSet(StringComparer.Ordinal);
        var functions = admitted.Exports.Select(grant => grant.Import).Where(bare.Contains).ToArray();
        if (functions.Length > 0) yield return new V1.InterfaceGrant { Functions = { functions } };
        foreach (var grant in admitted.Exports.Where(grant => !bare.Contains(grant.Import)))
            yield return new V1.InterfaceGrant { Name = grant.Import, Functions = { grant.Functions } };
    }
}
