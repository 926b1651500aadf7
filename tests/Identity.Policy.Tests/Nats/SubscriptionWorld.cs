namespace Identity.Policy.Tests.Nats;

/// <summary>A right to subscribe, permitted or forbidden: <c>o.&gt;</c>, or <c>o.&gt; w</c> in a queue group.</summary>
internal sealed record SubscriptionRight(NatsSubject Subject, string? Queue)
{
    public static SubscriptionRight Of(string text) =>
        text.Split(' ') is [var subject, var queue] ? new(NatsSubject.Parse(subject), queue) : new(NatsSubject.Parse(text), null);

    public override string ToString() => Queue is null ? Subject.Text : $"{Subject} {Queue}";
}

/// <summary>What one caller is permitted and forbidden to subscribe to, every shape of subscription below one token, and what that may bring.</summary>
internal sealed record SubscriptionWorld(SubscriptionRight[] Permits, SubscriptionRight[] Forbids)
{
    public static readonly string?[] Queues = [null, "w", "v"];

    private static readonly string IsGreeter = $"spiffeId: {Samples.Greeter}";

    public static SubscriptionWorld Of(string permits, string forbids) => new(Read(permits), Read(forbids));

    /// <summary>Every subscription below <c>o</c> of so many tokens at most, of the names and both wildcards.</summary>
    public static string[][] Shapes(int depth, params string[] names) => [.. Tokens(depth, names, ["*", ">"])];

    public static string[][] Subjects(int depth, params string[] names) => [.. Tokens(depth, names, [])];

    public NatsPermissions.Allowed? Told() => Permits.Length == 0 ? null : NatsPermissions.For(Policy(), Samples.Greeter, Samples.Now) as NatsPermissions.Allowed;

    public NatsSide Told(NatsServerKind server) => Told() is not { } told ? NatsSide.Nothing : server == NatsServerKind.Current ? told.Subscribe : told.SubscribeOnOlder;

    /// <summary>Whether policy lets the caller have a message on this subject, in this group.</summary>
    public bool Permitted(string[] subject, string? queue)
    {
        var sent = NatsSubject.Parse(string.Join('.', subject));
        return Array.Exists(Permits, permit => (permit.Queue is null || permit.Queue == queue) && permit.Subject.Covers(sent))
            && !Array.Exists(Forbids, forbid => (forbid.Queue is null || forbid.Queue == queue) && forbid.Subject.Covers(sent));
    }

    public CapabilityPolicy Policy() => Samples.Rules([.. Permits.Select(right => Rule("permit", right)), .. Forbids.Select(right => Rule("forbid", right))]);

    public override string ToString() => $"permit {string.Join(", ", Permits.AsEnumerable())}; forbid {string.Join(", ", Forbids.AsEnumerable())}";

    private static SubscriptionRight[] Read(string texts) => [.. texts.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(SubscriptionRight.Of)];

    private static (string, string, string) Rule(string effect, SubscriptionRight right) =>
        (effect, IsGreeter, $"{{ natsSubscribe: \"{right.Subject}\"{(right.Queue is null ? "" : $", queue: {right.Queue}")} }}");

    private static IEnumerable<string[]> Tokens(int depth, string[] names, string[] wildcards)
    {
        IEnumerable<string[]> open = [["o"]];
        for (var i = 0; i < depth; i++)
        {
            string[][] longer = [.. open.SelectMany(tokens => names.Concat(wildcards).Select(token => (string[])[.. tokens, token]))];
            foreach (var tokens in longer) yield return tokens;
            open = longer.Where(tokens => tokens[^1] != ">");
        }
    }
}
