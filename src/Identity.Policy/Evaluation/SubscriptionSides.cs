namespace Identity.Policy.Evaluation;

/// <summary>A subject to subscribe to and the queue group, if only that; written as nats-server takes it in a permission: <c>orders.&gt; workers</c>.</summary>
internal readonly record struct NatsSubscription(NatsSubject Subject, string? Queue)
{
    /// <summary>True when whoever may this may also the other.</summary>
    public bool Covers(NatsSubscription other) => (Queue is null || Queue == other.Queue) && Subject.Covers(other.Subject);

    public override string ToString() => Queue is null ? Subject.Text : $"{Subject.Text} {Queue}";
}

/// <summary>Turns permitted and forbidden subscriptions into what nats-server is told, where that differs from what was said.</summary>
internal static class SubscriptionSides
{
    /// <param name="inexpressible">Receives what had to be left out.</param>
    public static (List<NatsSubscription> Allow, List<NatsSubscription> Deny) Of(
        List<NatsSubscription> permitted, List<NatsSubscription> forbidden, List<NatsSubscription>? inexpressible)
    {
        var allow = permitted.FindAll(subscription =>
            !forbidden.Exists(forbid => forbid.Covers(subscription)) && !permitted.Exists(wider => wider != subscription && wider.Covers(subscription)));
        var deny = new List<NatsSubscription>();
        foreach (var star in allow.FindAll(EndsInStar)) Narrow(star, allow, deny, inexpressible);
        foreach (var forbid in forbidden)
        {
            if (Denying(forbid, allow) is { } denied && !deny.Contains(denied)) deny.Add(denied);
        }

        return (allow, deny);
    }

    private static bool EndsInStar(NatsSubscription subscription) => subscription.Subject.Text.EndsWith(".*", StringComparison.Ordinal);

    // nats-server (2.10 and 2.15, by experiment) lets a client whose permission is orders.* subscribe to orders.>, as if '>' were a token.
    // A deny of what lies below is applied to each message that is delivered. Where that would take away what another permit gives, the
    // permission with the '*' is not given: nothing else keeps it as narrow as it was written.
    private static void Narrow(NatsSubscription star, List<NatsSubscription> allow, List<NatsSubscription> deny, List<NatsSubscription>? inexpressible)
    {
        var below = new NatsSubscription(NatsSubject.Raw(star.Subject.Text + ".>"), null);
        if (allow.Exists(other => below.Subject.Overlaps(other.Subject)))
        {
            allow.Remove(star);
            inexpressible?.Add(star);
        }
        else if (!deny.Contains(below))
        {
            deny.Add(below);
        }
    }

    /// <summary>Null when what is forbidden is not allowed anyway and would only lengthen the answer.</summary>
    private static NatsSubscription? Denying(NatsSubscription forbid, List<NatsSubscription> allow)
    {
        var concerned = allow.FindAll(allowed =>
            (forbid.Queue is null || allowed.Queue is null || allowed.Queue == forbid.Queue) && forbid.Subject.Overlaps(allowed.Subject));
        if (concerned.Count == 0) return null;
        // nats-server 2.10 does not see that orders.> in the queue group covers an orders.x which is denied in that group, so a forbid of a
        // group is a forbid of the subject wherever a wildcard could be subscribed to.
        return forbid.Queue is null || concerned.Exists(allowed => allowed.Subject.HasWildcard) ? forbid with { Queue = null } : forbid;
    }
}
