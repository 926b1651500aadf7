namespace Identity.Policy.Evaluation;

/// <summary>A subject to subscribe to and the queue group, if only that; written as nats-server takes it in a permission: <c>orders.&gt; workers</c>.</summary>
internal readonly record struct NatsSubscription(NatsSubject Subject, string? Queue)
{
    /// <summary>As it is written in a permission.</summary>
    public static NatsSubscription Read(string told) => told.IndexOf(' ', StringComparison.Ordinal) is > 0 and var space
        ? new NatsSubscription(NatsSubject.Raw(told[..space]), told[(space + 1)..])
        : new NatsSubscription(NatsSubject.Raw(told), null);

    /// <summary>True when whoever may this may also the other.</summary>
    public bool Covers(NatsSubscription other) => (Queue is null || Queue == other.Queue) && Subject.Covers(other.Subject);

    public override string ToString() => Queue is null ? Subject.Text : $"{Subject.Text} {Queue}";
}

/// <summary>Turns permitted and forbidden subscriptions into what nats-server is told, where that differs from what was said.</summary>
internal static class SubscriptionSides
{
    // nats-server takes a queue group in a permission for a pattern of names, and no policy can name this one.
    private const string AnyGroup = ">";

    /// <param name="inexpressible">Receives what had to be left out.</param>
    public static (List<NatsSubscription> Allow, List<NatsSubscription> Deny) Of(
        List<NatsSubscription> permitted, List<NatsSubscription> forbidden, NatsServerKind server, List<NatsSubscription>? inexpressible)
    {
        var allow = new List<NatsSubscription>();
        var deny = new HashSet<NatsSubscription>();
        // What decides about a permit comes before it: whatever covers it, and whatever lies deeper.
        foreach (var subscription in permitted.FindAll(one => !forbidden.Exists(forbid => forbid.Covers(one))).OrderBy(one => one, DeepestFirst))
        {
            if (allow.Exists(wider => wider.Covers(subscription))) continue;
            if (TryDeny(subscription, allow, forbidden, server, deny)) allow.Add(subscription);
            else inexpressible?.Add(subscription);
        }

        // nats-server 2.10 asks nobody about the subject any more where a group of it is denied, so both together are never told.
        deny.RemoveWhere(group => group.Queue is not null && deny.Any(plain => plain.Queue is null && plain.Subject.Covers(group.Subject)));
        return ([.. allow, .. InAnyGroup(allow)], [.. deny]);
    }

    /// <summary>Adds what must be denied beside a permit; false when that cannot be told, and so the permit cannot be.</summary>
    private static bool TryDeny(NatsSubscription permit, List<NatsSubscription> deeper, List<NatsSubscription> forbidden, NatsServerKind server, HashSet<NatsSubscription> deny)
    {
        var found = new HashSet<NatsSubscription>();
        // nats-server (2.10 and 2.15, by experiment) lets a client whose permission is orders.* subscribe to orders.>, as if '>' were a token. A deny of what lies
        // below is applied to each message that is delivered. Where that would take away what another permit gives, nothing keeps the one with the '*' as narrow as it was written.
        if (permit.Subject.Text.EndsWith(".*", StringComparison.Ordinal))
        {
            var below = new NatsSubscription(NatsSubject.Raw(permit.Subject.Text + ".>"), null);
            // An older one does not apply orders.*.*.> to a client that subscribes to orders.eu.>.
            if ((server == NatsServerKind.Older && permit.Subject.Text.AsSpan(..^1).Contains('*')) || deeper.Exists(other => below.Subject.Overlaps(other.Subject))) return false;
            found.Add(below);
        }

        foreach (var forbid in forbidden)
        {
            if ((forbid.Queue is not null && permit.Queue is not null && forbid.Queue != permit.Queue) || permit.Subject.And(forbid.Subject) is not { } both) continue;
            // nats-server 2.10 does not see that orders.> in the queue group covers an orders.x which is denied in that group, so a forbid of a
            // group is a forbid of the subject wherever a wildcard could be subscribed to.
            if (!permit.Subject.HasWildcard) found.Add(permit with { Queue = forbid.Queue });
            else if (server == NatsServerKind.Current) found.Add(forbid with { Queue = null });
            // An older one does not apply orders.secret.> to a client that subscribes to orders.*.*. A single subject is all or nothing of any subscription.
            else if (both.HasWildcard) return false;
            else found.Add(new NatsSubscription(both, null));
        }

        found.ExceptWith(deny);
        // Where each permit meets each forbid, they could be too many for one answer. Of a current one they can only where subjects meet groups.
        if ((server == NatsServerKind.Older || !permit.Subject.HasWildcard) && deny.Count + found.Count > NatsSubjects.MaxSubjects) return false;
        deny.UnionWith(found);
        return true;
    }

    // nats-server asks nothing but the groups of a subject as soon as a permission names one: beside orders.> in a group it refuses orders.new, which is permitted to all, in any other.
    private static IEnumerable<NatsSubscription> InAnyGroup(List<NatsSubscription> allow) => allow
        .FindAll(plain => plain.Queue is null && allow.Exists(group => group.Queue is not null && group.Subject.Overlaps(plain.Subject)))
        .Select(plain => plain with { Queue = AnyGroup });

    private static Comparer<NatsSubscription> DeepestFirst { get; } = Comparer<NatsSubscription>.Create((left, right) =>
    {
        var (one, other) = (left.Subject.Text, right.Subject.Text);
        var (isOpen, isOtherOpen) = (one[^1] == '>', other[^1] == '>');
        if (isOpen != isOtherOpen) return isOpen ? -1 : 1;
        var (depth, otherDepth) = (one.AsSpan().Count('.'), other.AsSpan().Count('.'));
        // Of those that end in '>' the shorter may cover the longer, of the others one with more '*' another of the same length.
        if (depth != otherDepth) return isOpen ? depth.CompareTo(otherDepth) : otherDepth.CompareTo(depth);
        var (stars, otherStars) = (one.AsSpan().Count('*'), other.AsSpan().Count('*'));
        if (stars != otherStars) return otherStars.CompareTo(stars);
        var order = string.CompareOrdinal(one, other);
        // None before any.
        return order != 0 ? order : string.CompareOrdinal(left.Queue, right.Queue);
    });
}
