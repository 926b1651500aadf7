namespace Identity.Policy.Tests.Nats;

/// <summary>How nats-server decides about subscriptions and what it delivers; each changed one of them.</summary>
public enum NatsModel
{
    /// <summary>Before 2.11.16, and 2.12.0 to 2.12.6.</summary>
    V210,

    /// <summary>2.11.16, 2.12.7 and 2.14.0.</summary>
    V21116,

    /// <summary>2.15.</summary>
    V215,
}

/// <summary>
/// One client of a nats-server with the permissions to subscribe that it was told (server/client.go, <c>canSubscribe</c> and <c>checkDenySub</c>).
/// <see cref="NatsServerShapesTests"/> holds it against the real ones.
/// </summary>
internal sealed class NatsServerModel(NatsSide told, NatsModel model)
{
    private readonly Entry[] _allow = [.. told.Allow.Select(Entry.Of)];
    private readonly Entry[] _deny = [.. told.Deny.Select(Entry.Of)];

    public static NatsServerKind KindOf(NatsModel model) => model == NatsModel.V210 ? NatsServerKind.Older : NatsServerKind.Current;

    /// <summary>By a client that has no other subscription.</summary>
    public bool MaySubscribe(string[] subject, string? queue) => MaySubscribe(subject, queue, out _);

    /// <summary>Of the subjects that are published, those that arrive.</summary>
    public IEnumerable<string[]> Delivered(string[] subject, string? queue, IEnumerable<string[]> published)
    {
        if (!MaySubscribe(subject, queue, out var looks)) return [];
        return published.Where(sent => Matches(subject, sent) && !(looks && IsDenied(sent, queue)));
    }

    // As a pattern matches the tokens of a subject, and those of a subscription as if its wildcards were names.
    private static bool Matches(string[] pattern, string[] tokens)
    {
        for (var i = 0; i < pattern.Length; i++)
        {
            if (i >= tokens.Length) return false;
            if (pattern[i] == ">") return true;
            if (pattern[i] != "*" && pattern[i] != tokens[i]) return false;
        }

        return pattern.Length == tokens.Length;
    }

    private static bool IsSubset(string[] tokens, string[] of)
    {
        for (var i = 0; i < of.Length; i++)
        {
            if (i >= tokens.Length) return false;
            if (of[i] == ">") return true;
            if (tokens[i] == ">" || (tokens[i] == "*" && of[i] != "*") || (of[i] != "*" && tokens[i] != of[i])) return false;
        }

        return tokens.Length == of.Length;
    }

    private bool MaySubscribe(string[] subject, string? queue, out bool looks)
    {
        looks = false;
        var allowed = true;
        if (_allow.Length > 0)
        {
            var (plain, groups) = Match(_allow, subject);
            allowed = plain;
            if (queue is not null && groups.Count > 0) allowed = Names(groups, queue);
        }

        if (!allowed || _deny.Length == 0) return allowed;
        var (denied, deniedGroups) = Match(_deny, subject);
        allowed = !denied;
        if (queue is not null && deniedGroups.Count > 0 && (allowed || model == NatsModel.V210)) allowed = !Names(deniedGroups, queue);
        var isWild = subject.Contains("*") || subject.Contains(">");
        looks = allowed && model switch
        {
            NatsModel.V210 => isWild && Array.Exists(_deny, deny => IsSubset(deny.Written, subject)),
            NatsModel.V21116 => isWild && Array.Exists(_deny, deny => NatsSubject.Parse(string.Join('.', deny.Written).Replace(' ', '_')).Overlaps(NatsSubject.Parse(string.Join('.', subject)))),
            _ => (isWild || queue is not null) && Array.Exists(_deny, deny => NatsSubject.Parse(string.Join('.', deny.Subject)).Overlaps(NatsSubject.Parse(string.Join('.', subject)))),
        };
        return allowed;
    }

    private bool IsDenied(string[] sent, string? queue)
    {
        if (model != NatsModel.V215) return Array.Exists(_deny, deny => Matches(deny.Written, sent));
        var (plain, groups) = Match(_deny, sent);
        return plain || (queue is not null && groups.Count > 0 && Names(groups, queue));
    }

    private static (bool Plain, List<string> Groups) Match(Entry[] entries, string[] subject)
    {
        var plain = false;
        var groups = new List<string>();
        foreach (var entry in entries)
        {
            if (!Matches(entry.Subject, subject)) continue;
            if (entry.Queue is null) plain = true;
            else groups.Add(entry.Queue);
        }

        return (plain, groups);
    }

    private static bool Names(List<string> groups, string queue) =>
        groups.Exists(group => group == queue || ((group.Contains('*', StringComparison.Ordinal) || group.Contains('>', StringComparison.Ordinal)) && IsSubset(queue.Split('.'), group.Split('.'))));

    /// <param name="Written">Where nats-server takes the queue group for a part of the last token.</param>
    private sealed record Entry(string[] Subject, string? Queue, string[] Written)
    {
        public static Entry Of(string text) =>
            text.Split(' ') is [var subject, var queue] ? new Entry(subject.Split('.'), queue, text.Split('.')) : new Entry(text.Split('.'), null, text.Split('.'));
    }
}
