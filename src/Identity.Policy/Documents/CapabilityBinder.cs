using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy.Documents;

/// <summary>Reads one item of a rule's <c>capabilities</c>: a word, or a field named by the kind with what belongs to it.</summary>
internal sealed class CapabilityBinder(ProblemList problems)
{
    private const string OneValue = "one value (what is listed is written as items of their own)";

    private static readonly string[] Known = [.. CapabilityText.Kinds[1..], "queue", "access", "keys", "protocol"];

    public ImmutableArray<Capability> BindAll(IReadOnlyList<DocumentNode>? items, RuleEffect? effect)
    {
        var capabilities = ImmutableArray.CreateBuilder<Capability>();
        var listed = new Dictionary<Capability, DocumentNode>();
        foreach (var item in items ?? [])
        {
            if (problems.IsFull) break;
            if (Bind(item, effect) is not { } capability) continue;
            // Was let pass once, so documents in force may have it.
            if (!problems.IsStored) problems.RefuseListedTwice(listed, capability, item, same => same.ToString());
            capabilities.Add(capability);
        }

        return capabilities.ToImmutable();
    }

    public Capability? Bind(DocumentNode node, RuleEffect? effect)
    {
        var before = problems.Count;
        var capability = node is DocumentNode.Scalar scalar ? BindWord(scalar) : BindFields(node);
        if (problems.Count > before) return null;
        // What may be forbidden is wider than what may be granted. A document in force may be from before something could not be granted any more: it stays readable, and that
        // permit grants nothing.
        if (effect == RuleEffect.Permit && !problems.IsStored && capability?.WhyNotGrantable() is { } problem) problems.Add(ValueOf(node), problem);
        return capability;
    }

    private Capability? BindWord(DocumentNode.Scalar word)
    {
        if (word.Text == "start") return new Capability.Start();
        if (word.Text == "natsRespond") return Capability.NatsRespond.Any;
        problems.Add(
            word, $"unknown capability {word.Describe()}; expected start, or one of {string.Join(", ", CapabilityText.Kinds[1..])} with a value",
            NearestWord.Of(word.Text, CapabilityText.Kinds));
        return null;
    }

    private Capability? BindFields(DocumentNode node)
    {
        var before = problems.Count;
        if (node is DocumentNode.Mapping { Fields: var written } && written.FirstOrDefault(field => IsWordOnly(field.Key.Text)).Key is { } word)
        {
            problems.Add(word, $"{word.Describe()} has no value; write it as a word of its own: - {word.Text}");
            return null;
        }

        if (Fields.Of(node, problems, "a capability", Known) is not { } fields || problems.Count > before) return null;
        var kinds = CapabilityText.Kinds.Where(kind => !IsWordOnly(kind) && fields.Optional(kind) is not null).ToArray();
        if (kinds is not [var kind])
        {
            problems.Add(node, kinds.Length == 0
                ? "a capability is one field that names what it is about, found none; write one such as import: wasi:io/poll@0.2.0"
                : $"a capability is one field, found {string.Join(" and ", kinds)}; write each as an item of its own");
            return null;
        }

        RefuseStrangers(fields, kind);
        var value = fields.Optional(kind)!;
        return kind switch
        {
            "natsSubscribe" => BindSubscribe(value, fields),
            "natsRespond" => BindRespond(value),
            "stream" => BindText<string>(value, kind, CapabilityText.TryParseStreamName) is { } name && BindAccess(fields, CapabilityText.StreamAccesses) is { } access
                ? new Capability.Stream(name, (StreamAccess)access) : null,
            "consumer" => BindText<string>(value, kind, CapabilityText.TryParseConsumerName) is { } name && BindAccess(fields, CapabilityText.ConsumerAccesses) is { } access
                ? new Capability.Consumer(name[..name.IndexOf('/', StringComparison.Ordinal)], name[(name.IndexOf('/', StringComparison.Ordinal) + 1)..], (ConsumerAccess)access) : null,
            "bucket" => BindBucket(value, fields),
            "connect" => BindConnect(value, fields),
            _ => Fields.Value(
                value, $"'{kind}'", OneValue,
                (string text, [NotNullWhen(true)] out Capability? read, [NotNullWhen(false)] out string? problem) => CapabilityText.TryParse(kind, text, out read, out problem),
                problems),
        };
    }

    private void RefuseStrangers(Fields fields, string kind)
    {
        ReadOnlySpan<(string Field, string Kinds)> companions =
            [("queue", "natsSubscribe"), ("access", "stream consumer bucket"), ("keys", "bucket"), ("protocol", "connect")];
        foreach (var (field, kinds) in companions)
        {
            if (fields.Optional(field) is { } node && !kinds.Split(' ').Contains(kind))
                problems.Add(node, $"'{field}' says nothing beside '{kind}'; it belongs to {kinds.Replace(" ", " and ", StringComparison.Ordinal)}: leave it out");
        }
    }

    private Capability.NatsSubscribe? BindSubscribe(DocumentNode value, Fields fields)
    {
        var subject = BindText<NatsSubject>(value, "natsSubscribe", NatsSubject.TryParse);
        var queue = fields.OptionalValue<string>("queue", "the name of a queue group", JetStreamNames.TryParseQueue);
        return subject is null ? null : new Capability.NatsSubscribe(subject, queue);
    }

    private Capability.NatsRespond? BindRespond(DocumentNode value)
    {
        if (Fields.Of(value, problems, "natsRespond", ["max", "within"]) is not { } fields) return null;
        var max = Quantity<long>(fields.Required("max", "how many answers one request may have, such as 1"), 1, CapabilityText.MostMessages, Quantities.TryParseCount, "1");
        var within = Quantity(
            fields.Required("within", "how long after the request, such as 1m"), CapabilityText.LeastWithin, CapabilityText.MostWithin, (Quantities.Parse<TimeSpan>)Quantities.TryParseTime, "1m");
        return max is { } messages && within is { } time ? new Capability.NatsRespond((int)messages, time) : null;
    }

    private Capability.Bucket? BindBucket(DocumentNode value, Fields fields)
    {
        var name = BindText<string>(value, "bucket", CapabilityText.TryParseBucketName);
        var keys = fields.OptionalValue<NatsSubject>("keys", "the keys it means, such as app.>", JetStreamNames.TryParseKeys);
        var access = BindAccess(fields, CapabilityText.BucketAccesses);
        return name is null || access is null ? null : new Capability.Bucket(name, keys ?? Capability.Bucket.AllKeys, (BucketAccess)access);
    }

    private Capability.Connect? BindConnect(DocumentNode value, Fields fields)
    {
        var protocol = fields.Optional("protocol");
        if (protocol is not (null or DocumentNode.Scalar { Text: "tcp" or "udp" }))
        {
            problems.Add(protocol, $"'protocol' must be tcp or udp, found {protocol.Describe()}", protocol is DocumentNode.Scalar word ? NearestWord.Of(word.Text, ["tcp", "udp"]) : null);
            return null;
        }

        var udp = protocol is DocumentNode.Scalar { Text: "udp" };
        return BindText(value, "connect", (string text, [NotNullWhen(true)] out ConnectTarget? target, [NotNullWhen(false)] out string? problem) =>
            ConnectTarget.TryParse(text, udp ? TransportProtocol.Udp : TransportProtocol.Tcp, out target, out problem)) is { } read ? new Capability.Connect(read) : null;
    }

    private int? BindAccess(Fields fields, string[] known)
    {
        if (fields.RequiredList("access", $"a list of {string.Join(", ", known)}, such as [{known[0]}]", known.Length) is not { } items) return null;
        var access = 0;
        var listed = new Dictionary<int, DocumentNode>();
        foreach (var item in items)
        {
            var bit = item is DocumentNode.Scalar word ? Array.IndexOf(known, word.Text) : -1;
            if (bit < 0)
            {
                problems.Add(item, $"unknown access {item.Describe()}; expected {string.Join(", ", known)}", item is DocumentNode.Scalar { Text: var text } ? NearestWord.Of(text, known) : null);
                continue;
            }

            problems.RefuseListedTwice(listed, bit, item, which => known[which]);
            access |= 1 << bit;
        }

        return access;
    }

    private T? BindText<T>(DocumentNode node, string kind, Fields.Parse<T> parse) where T : class =>
        Fields.Value(node, $"'{kind}'", OneValue, parse, problems);

    private T? Quantity<T>(DocumentNode? node, T least, T most, Quantities.Parse<T> parse, string example) where T : struct =>
        Quantities.Bind(node, least, most, parse, example, problems);

    private static bool IsWordOnly(string kind) => kind == "start";

    private static DocumentNode ValueOf(DocumentNode node) =>
        node is DocumentNode.Mapping { Fields: [var (_, value), ..] } ? value : node;
}
