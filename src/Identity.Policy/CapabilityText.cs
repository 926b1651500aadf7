using System.Diagnostics.CodeAnalysis;
using System.Text;
using Identity.Policy.Documents;

namespace Identity.Policy;

/// <summary>The one-line spelling of capabilities, shared by documents, requests, explanations and every door: a word and a value.</summary>
internal static class CapabilityText
{
    public const int MaxAudienceLength = 1_024;

    /// <summary>Every word that names a capability, in the order of the guide.</summary>
    public static readonly string[] Kinds =
    [
        "start", "import", "export", "natsPublish", "natsSubscribe", "natsRespond", "stream", "consumer", "bucket", "connect", "resolve", "config",
        "secret", "audience", "mount",
    ];

    /// <summary>Those that nats-server enforces.</summary>
    public static readonly string[] NatsKinds = ["natsPublish", "natsSubscribe", "natsRespond", "stream", "consumer", "bucket"];

    public static readonly string[] StreamAccesses = ["info", "read", "consume", "purge", "manage"];

    public static readonly string[] ConsumerAccesses = ["info", "consume", "manage"];

    public static readonly string[] BucketAccesses = ["read", "write", "watch", "manage"];

    public static readonly TimeSpan LeastWithin = TimeSpan.FromMilliseconds(1);

    public static readonly TimeSpan MostWithin = TimeSpan.FromHours(24);

    public const int MostMessages = 1_000_000;

    private delegate bool TryParseValue<T>(string text, [NotNullWhen(true)] out T? value, [NotNullWhen(false)] out string? problem);

    public static string Of(StreamAccess access, string separator = ",") => Of((int)access, StreamAccesses, separator);

    public static string Of(ConsumerAccess access, string separator = ",") => Of((int)access, ConsumerAccesses, separator);

    public static string Of(BucketAccess access, string separator = ",") => Of((int)access, BucketAccesses, separator);

    public static Capability Parse(string text)
    {
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        return TryParse(space < 0 ? text : text[..space], space < 0 ? "" : text[(space + 1)..], out var capability, out var problem)
            ? capability : throw new FormatException(problem);
    }

    public static bool TryParse(
        string kind, string value, [NotNullWhen(true)] out Capability? capability, [NotNullWhen(false)] out string? problem)
    {
        (capability, problem) = kind switch
        {
            "start" => value.Length == 0 ? (new Capability.Start(), null) : (null, $"'start' has no value, found {Quoted.From(value)}"),
            "import" => Read<ImportPattern>(value, ImportPattern.TryParse, pattern => new Capability.Import(pattern)),
            "export" => Read<ImportPattern>(value, ImportPattern.TryParseExport, pattern => new Capability.Export(pattern)),
            "natsPublish" => Read<NatsSubject>(value, NatsSubject.TryParse, subject => new Capability.NatsPublish(subject)),
            "natsSubscribe" => ReadSubscribe(value),
            "natsRespond" => ReadRespond(value),
            "stream" => ReadStream(value),
            "consumer" => ReadConsumer(value),
            "bucket" => ReadBucket(value),
            "connect" => Read<ConnectTarget>(value, ConnectTarget.TryParse, target => new Capability.Connect(target)),
            "resolve" => Read<DnsPattern>(value, DnsPattern.TryParse, name => new Capability.Resolve(name)),
            "config" => Read<SegmentPattern>(value, SegmentPattern.TryParseName, name => new Capability.Config(name)),
            "secret" => Read<SegmentPattern>(value, SegmentPattern.TryParseName, name => new Capability.Secret(name)),
            "audience" => Read<string>(value, TryParseAudience, name => new Capability.Audience(name)),
            "mount" => Read<SegmentPattern>(value, SegmentPattern.TryParsePath, path => new Capability.Mount(path)),
            _ => (null, UnknownKind(kind)),
        };
        return capability is not null;
    }

    public static bool TryParseRequest(
        string kind, string value, [NotNullWhen(true)] out CapabilityRequest? request, [NotNullWhen(false)] out string? problem)
    {
        request = null;
        // Case says nothing in DNS; in rules it has one spelling.
        if (kind is "connect" or "resolve" && Ascii.IsValid(value)) value = value.ToLowerInvariant();
        if (!TryParse(kind, value, out var capability, out problem)) return false;
        request = capability switch
        {
            Capability.Start => new CapabilityRequest.Start(),
            Capability.Import { Pattern: { Interface: not null, AnyVersion: false } pattern } => new CapabilityRequest.Import(InterfaceOf(pattern), pattern.Function),
            Capability.Export { Pattern.IsBareFunction: true } export => new CapabilityRequest.Export(null, export.Pattern.Function),
            Capability.Export { Pattern: { Interface: not null, AnyVersion: false } pattern } => new CapabilityRequest.Export(InterfaceOf(pattern), pattern.Function),
            Capability.NatsPublish publish => new CapabilityRequest.NatsPublish(publish.Subject),
            Capability.NatsSubscribe subscribe => new CapabilityRequest.NatsSubscribe(subscribe.Subject, subscribe.Queue),
            Capability.NatsRespond => new CapabilityRequest.NatsRespond(),
            Capability.Stream stream => new CapabilityRequest.Stream(stream.Name, stream.Access),
            Capability.Consumer consumer => new CapabilityRequest.Consumer(consumer.StreamName, consumer.Name, consumer.Access),
            Capability.Bucket bucket => new CapabilityRequest.Bucket(bucket.Name, bucket.Keys, bucket.Access),
            Capability.Connect connect => new CapabilityRequest.Connect(connect.Target),
            Capability.Resolve resolve => new CapabilityRequest.Resolve(resolve.Name),
            Capability.Config config => new CapabilityRequest.Config(config.Name),
            Capability.Secret secret => new CapabilityRequest.Secret(secret.Name),
            Capability.Audience audience => new CapabilityRequest.Audience(audience.Name),
            Capability.Mount mount => new CapabilityRequest.Mount(mount.Path),
            _ => null,
        };
        problem = request is null ? $"{Quoted.From(value)} names more than one interface; ask for one, such as wasi:io/streams@0.2.0" : null;
        return request is not null;
    }

    public static bool TryParseAudience(string? text, [NotNullWhen(true)] out string? audience, [NotNullWhen(false)] out string? problem)
    {
        audience = null;
        problem = text is not { Length: > 0 and <= MaxAudienceLength } ? $"the audience has {text?.Length ?? 0} characters; expected 1 to {MaxAudienceLength}"
            : text.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0 ? $"{Quoted.From(text)} is not an audience; expected printable ASCII without spaces"
            // A pattern would be taken for one by its author; audiences are whole.
            : text.Contains('*', StringComparison.Ordinal) ? $"{Quoted.From(text)} contains a '*'; audiences are named one by one"
            : null;
        if (problem is null) audience = text;
        return problem is null;
    }

    public static bool TryParseStreamName(string text, [NotNullWhen(true)] out string? name, [NotNullWhen(false)] out string? problem)
    {
        problem = JetStreamNames.FindProblem(text, "stream");
        name = problem is null ? text : null;
        return name is not null;
    }

    public static bool TryParseBucketName(string text, [NotNullWhen(true)] out string? name, [NotNullWhen(false)] out string? problem)
    {
        problem = JetStreamNames.FindProblem(text, "bucket");
        name = problem is null ? text : null;
        return name is not null;
    }

    /// <summary><c>ORDERS/worker</c>.</summary>
    public static bool TryParseConsumerName(string text, [NotNullWhen(true)] out string? name, [NotNullWhen(false)] out string? problem)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        problem = slash < 0 ? $"{Quoted.From(text)} names no consumer; expected a stream and a consumer, such as ORDERS/worker"
            : JetStreamNames.FindProblem(text.AsSpan(0, slash), "stream") ?? JetStreamNames.FindProblem(text.AsSpan(slash + 1), "consumer");
        name = problem is null ? text : null;
        return name is not null;
    }

    private static string UnknownKind(string kind)
    {
        var nearest = NearestWord.Of(kind, Kinds);
        return $"unknown capability {Quoted.From(kind)}; expected one of {string.Join(", ", Kinds)}{(nearest is null ? "" : $"; did you mean '{nearest}'?")}";
    }

    private static (Capability? Capability, string? Problem) Read<T>(string text, TryParseValue<T> parse, Func<T, Capability> wrap) where T : class =>
        parse(text, out var value, out var problem) ? (wrap(value), null) : (null, problem);

    private static (Capability? Capability, string? Problem) ReadSubscribe(string value)
    {
        var (subject, queue) = Split(value);
        if (queue.Length == 0 || JetStreamNames.TryParseQueue(queue, out _, out var problem))
            return Read<NatsSubject>(subject, NatsSubject.TryParse, read => new Capability.NatsSubscribe(read, queue.Length == 0 ? null : queue));
        return (null, problem);
    }

    private static (Capability? Capability, string? Problem) ReadRespond(string value)
    {
        if (value.Length == 0) return (Capability.NatsRespond.Any, null);
        var (max, within) = Split(value);
        if (!Quantities.TryParseCount(max, 1, MostMessages, out var messages, out var problem)) return (null, problem);
        return Quantities.TryParseTime(within, LeastWithin, MostWithin, out var time, out problem) ? (new Capability.NatsRespond((int)messages, time), null) : (null, problem);
    }

    private static (Capability? Capability, string? Problem) ReadStream(string value)
    {
        var (name, access) = Split(value);
        if (!TryParseStreamName(name, out _, out var problem) || !TryParseAccess(access, StreamAccesses, out var read, out problem)) return (null, problem);
        return (new Capability.Stream(name, (StreamAccess)read), null);
    }

    private static (Capability? Capability, string? Problem) ReadConsumer(string value)
    {
        var (name, access) = Split(value);
        if (!TryParseConsumerName(name, out _, out var problem) || !TryParseAccess(access, ConsumerAccesses, out var read, out problem)) return (null, problem);
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        return (new Capability.Consumer(name[..slash], name[(slash + 1)..], (ConsumerAccess)read), null);
    }

    private static (Capability? Capability, string? Problem) ReadBucket(string value)
    {
        var (name, access) = Split(value);
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        var keys = Capability.Bucket.AllKeys;
        if (!TryParseBucketName(slash < 0 ? name : name[..slash], out var bucket, out var problem)
            || (slash >= 0 && !JetStreamNames.TryParseKeys(name[(slash + 1)..], out keys, out problem))
            || !TryParseAccess(access, BucketAccesses, out var read, out problem))
            return (null, problem);
        return (new Capability.Bucket(bucket, keys!, (BucketAccess)read), null);
    }

    private static bool TryParseAccess(string text, string[] known, out int access, [NotNullWhen(false)] out string? problem)
    {
        access = 0;
        problem = null;
        foreach (var word in text.Split(','))
        {
            var bit = Array.IndexOf(known, word);
            if (bit < 0)
            {
                problem = $"{Quoted.From(word)} is no access; expected {string.Join(", ", known)}";
                return false;
            }

            access |= 1 << bit;
        }

        return true;
    }

    private static string Of(int access, string[] known, string separator) =>
        string.Join(separator, known.Where((_, bit) => (access & (1 << bit)) != 0));

    // Kept whole when there is no space, so that the message shows what was written.
    private static (string First, string Second) Split(string value)
    {
        var space = value.IndexOf(' ', StringComparison.Ordinal);
        return space < 0 ? (value, "") : (value[..space], value[(space + 1)..]);
    }

    private static InterfaceName InterfaceOf(ImportPattern pattern) =>
        InterfaceName.Parse(pattern.Function is null ? pattern.Text : pattern.Text[..pattern.Text.IndexOf('#', StringComparison.Ordinal)]);
}
