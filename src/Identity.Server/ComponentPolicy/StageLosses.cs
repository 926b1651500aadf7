using System.Globalization;
using Identity.Policy;
using Identity.Server.NatsAuthCallout;
using Spiffe.Net;
using Decision = Identity.Policy.Decision;

namespace Identity.Server.ComponentPolicy;

/// <summary>What somebody who is allowed either way would have less of. The first loss as a sentence, or null.</summary>
internal static class StageLosses
{
    public static string? Of(SpiffeId id, Decision.Admitted before, Decision.Admitted after) =>
        OfExports(id, before, after) ?? OfCeilings(id, before.Ceilings, after.Ceilings) ?? Of(id, before.Nats, after.Nats);

    public static string? Of(SpiffeId id, NatsPermissions before, NatsPermissions after) => (before, after) switch
    {
        (NatsPermissions.Allowed one, NatsPermissions.Allowed other) =>
            Of(id, "publish", one.Publish, other.Publish) ?? Of(id, "subscribe", one.Subscribe, other.Subscribe) ?? OfOlder(id, one.SubscribeOnOlder, other.SubscribeOnOlder)
                ?? Of(id, one.Responses, other.Responses),
        (NatsPermissions.Allowed, NatsPermissions.Denied denied) =>
            $"{id} runs and would lose all it may say on NATS{(denied.Explanation.Refusals is [{ } first, ..] ? $": {first.Detail}" : "")}",
        (NatsPermissions.Allowed, _) => $"{id} runs and would lose all it may say on NATS",
        _ => null,
    };

    public static string? Of(SpiffeId id, LoginGrant.Allowed before, LoginGrant.Allowed after) =>
        Of(id, "publish", before.Publish, after.Publish) ?? Of(id, "subscribe", before.Subscribe, after.Subscribe) ?? OfOlder(id, before.SubscribeOnOlder, after.SubscribeOnOlder)
            ?? Of(id, before.Responses, after.Responses);

    // Which servers there are is not known here, and there may be another tomorrow.
    private static string? OfOlder(SpiffeId id, NatsSide before, NatsSide after) => Of(id, "subscribe", before, after) is { } loss ? $"{loss}, as {NatsServerKinds.OlderVersions} are told" : null;

    private static string? OfExports(SpiffeId id, Decision.Admitted before, Decision.Admitted after)
    {
        var kept = after.Exports.ToDictionary(grant => grant.Import, grant => grant.Functions, StringComparer.Ordinal);
        foreach (var (name, functions) in before.Exports)
        {
            if (!kept.TryGetValue(name, out var still)) return $"{id} runs and nobody could call its export {name} any more";
            if (functions.Except(still, StringComparer.Ordinal).FirstOrDefault() is { } gone) return $"{id} runs and nobody could call its export {name}#{gone} any more";
        }

        return null;
    }

    private static string? OfCeilings(SpiffeId id, ResourceCeilings before, ResourceCeilings after)
    {
        (string Name, long Before, long After)[] ceilings =
        [
            ("memory", before.MemoryBytes, after.MemoryBytes),
            ("memories", before.Memories, after.Memories),
            ("fuel", before.Fuel, after.Fuel),
            ("time", (long)before.Time.TotalMilliseconds, (long)after.Time.TotalMilliseconds),
            ("instances", before.Instances, after.Instances),
            ("tables", before.Tables, after.Tables),
            ("tableElements", before.TableElements, after.TableElements),
        ];
        foreach (var (name, was, would) in ceilings)
        {
            if (would >= was) continue;
            var unit = name switch { "memory" => " bytes", "time" => " ms", _ => "" };
            return string.Create(CultureInfo.InvariantCulture, $"{id} runs and its ceiling of {name} would fall from {was} to {would}{unit}");
        }

        return null;
    }

    private static string? Of(SpiffeId id, string side, NatsSide before, NatsSide after)
    {
        var gone = before.Allow.FirstOrDefault(had => !after.Allow.Any(has => Covers(has, had)));
        if (gone is not null) return $"{id} would lose {side} {gone} on NATS";
        return after.Deny.FirstOrDefault(denied => !before.Deny.Any(known => Covers(known, denied)) && before.Allow.Any(had => Overlaps(denied, had))) is { } denial
            ? $"{id} would be denied {side} {denial} on NATS"
            : null;
    }

    private static string? Of(SpiffeId id, NatsResponses? before, NatsResponses? after) => (before, after) switch
    {
        (null, _) => null,
        (_, null) => $"{id} could answer no requests on NATS any more",
        _ when after.MaxMessages < before.MaxMessages || after.Within < before.Within => $"{id} could answer requests on NATS only with {Text(after)}, and may now with {Text(before)}",
        _ => null,
    };

    private static string Text(NatsResponses responses) => new Capability.NatsRespond(responses.MaxMessages, responses.Within).ToYaml();

    private static bool Covers(string one, string other)
    {
        var (subject, queue) = Split(one);
        var (otherSubject, otherQueue) = Split(other);
        return one == other || ((queue is null || queue == otherQueue)
            && NatsSubject.TryParse(subject, out var wide, out _) && NatsSubject.TryParse(otherSubject, out var narrow, out _) && wide.Covers(narrow));
    }

    // What cannot be compared counts as a loss.
    private static bool Overlaps(string one, string other)
    {
        var (subject, queue) = Split(one);
        var (otherSubject, otherQueue) = Split(other);
        return (queue is null || otherQueue is null || queue == otherQueue)
            && (!NatsSubject.TryParse(subject, out var left, out _) || !NatsSubject.TryParse(otherSubject, out var right, out _) || left.Overlaps(right));
    }

    // As nats-server reads them: a subject, and after a space a queue group.
    private static (string Subject, string? Queue) Split(string text) =>
        text.IndexOf(' ', StringComparison.Ordinal) is var space && space < 0 ? (text, null) : (text[..space], text[(space + 1)..]);
}
