using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>
/// What rights on a stream, a consumer or a bucket are to nats-server: subjects to publish on. JetStream has no permissions of its own.
/// Answers come to the identity's own inbox, so there is nothing to subscribe to. Never <c>$JS.&gt;</c>: each subject names its stream.
/// </summary>
/// <remarks>
/// Subjects say which request may be made, not what stands in it. So no request is granted whose body names what it is about, unless
/// the right covers all that the body could name: <c>STREAM.MSG.GET</c>, <c>DIRECT.GET</c> without a subject, a consumer without a
/// filter, <c>STREAM.INFO</c> (its answer lists subjects). What no list of subjects can prevent is in docs/policy.md: a client that may
/// ask JetStream names the subject that the answer goes to, and who may write one key of a bucket with roll-ups can empty the bucket.
/// </remarks>
internal static class NatsJetStream
{
    /// <summary>No consumer can have this name.</summary>
    public const string AnyConsumer = "*";

    private const string Api = "$JS.API.";
    private const string BucketStream = "KV_";

    private static readonly NatsSubject AllKeys = NatsSubject.Parse(">");

    /// <summary>What a permit of this access allows to publish.</summary>
    public static IEnumerable<string> OfStream(string stream, StreamAccess access)
    {
        if (access.HasFlag(StreamAccess.Info)) yield return $"{Api}STREAM.INFO.{stream}";
        if (access.HasFlag(StreamAccess.Read))
        {
            yield return $"{Api}STREAM.MSG.GET.{stream}";
            yield return $"{Api}DIRECT.GET.{stream}";
            yield return $"{Api}DIRECT.GET.{stream}.>";
        }

        if (access.HasFlag(StreamAccess.Consume))
        {
            // Without and with a name and filter in the subject; the first two are what clients of before 2.9 say.
            yield return $"{Api}CONSUMER.CREATE.{stream}";
            yield return $"{Api}CONSUMER.DURABLE.CREATE.{stream}.*";
            yield return $"{Api}CONSUMER.CREATE.{stream}.>";
            yield return $"{Api}CONSUMER.INFO.{stream}.*";
            yield return $"{Api}CONSUMER.DELETE.{stream}.*";
            foreach (var subject in Delivery(stream, "*")) yield return subject;
        }

        if (access.HasFlag(StreamAccess.Purge))
        {
            yield return $"{Api}STREAM.PURGE.{stream}";
            yield return $"{Api}STREAM.MSG.DELETE.{stream}";
        }

        if (access.HasFlag(StreamAccess.Manage))
        {
            foreach (var verb in (string[])["CREATE", "UPDATE", "DELETE", "INFO"]) yield return $"{Api}STREAM.{verb}.{stream}";
        }
    }

    public static IEnumerable<string> OfConsumer(string stream, string consumer, ConsumerAccess access)
    {
        if ((access & (ConsumerAccess.Info | ConsumerAccess.Consume)) != 0) yield return $"{Api}CONSUMER.INFO.{stream}.{consumer}";
        if (access.HasFlag(ConsumerAccess.Consume))
        {
            foreach (var subject in Delivery(stream, consumer)) yield return subject;
        }

        if (access.HasFlag(ConsumerAccess.Manage))
        {
            yield return $"{Api}CONSUMER.CREATE.{stream}.{consumer}";
            yield return $"{Api}CONSUMER.CREATE.{stream}.{consumer}.>";
            yield return $"{Api}CONSUMER.DURABLE.CREATE.{stream}.{consumer}";
            yield return $"{Api}CONSUMER.DELETE.{stream}.{consumer}";
            yield return $"{Api}CONSUMER.PAUSE.{stream}.{consumer}";
        }
    }

    /// <param name="keys">See <see cref="WhyKeysCannotBeGranted"/>.</param>
    public static IEnumerable<string> OfBucket(string bucket, NatsSubject keys, BucketAccess access)
    {
        var stream = StreamOf(bucket);
        var all = keys.Text == ">";
        var read = access.HasFlag(BucketAccess.Read);
        var watch = access.HasFlag(BucketAccess.Watch);
        if (WhyKeysCannotBeGranted(keys, access) is null)
        {
            if (read) yield return $"{Api}DIRECT.GET.{stream}.$KV.{bucket}.{keys}";
            if (watch)
            {
                yield return $"{Api}CONSUMER.CREATE.{stream}.*.$KV.{bucket}.{keys}";
                foreach (var subject in FlowControl(stream, "*")) yield return subject;
            }
        }

        if (access.HasFlag(BucketAccess.Write)) yield return $"$KV.{bucket}.{keys}";
        if (all && read)
        {
            yield return $"{Api}DIRECT.GET.{stream}";
            yield return $"{Api}STREAM.MSG.GET.{stream}";
        }

        if (all && access != BucketAccess.None) yield return $"{Api}STREAM.INFO.{stream}";
        if (access.HasFlag(BucketAccess.Manage))
        {
            foreach (var verb in (string[])["CREATE", "UPDATE", "DELETE", "PURGE", "INFO"]) yield return $"{Api}STREAM.{verb}.{stream}";
        }
    }

    /// <summary>
    /// Why keys cannot be granted for this access, or null. nats-server takes a published subject as it is written, so a permission that
    /// ends in <c>*</c> also lets <c>&gt;</c> through, and in a request to JetStream that means every key below.
    /// </summary>
    public static string? WhyKeysCannotBeGranted(NatsSubject keys, BucketAccess access) =>
        (access & (BucketAccess.Read | BucketAccess.Watch)) != 0 && (keys.Text == "*" || keys.Text.EndsWith(".*", StringComparison.Ordinal))
            ? $"the keys '{keys}' end in '*', which nats-server cannot tell from '>' when they are read or watched; name the keys, or grant '{keys.Text[..^1]}>'"
            : null;

    /// <summary>What a forbid of this access denies to publish: every request by which it could be had, also under another right.</summary>
    public static IEnumerable<string> ForbiddingStream(string stream, StreamAccess access)
    {
        foreach (var subject in OfStream(stream, access & ~StreamAccess.Manage)) yield return subject;
        if (!access.HasFlag(StreamAccess.Manage)) yield break;
        foreach (var verb in (string[])["CREATE", "UPDATE", "DELETE"]) yield return $"{Api}STREAM.{verb}.{stream}";
        yield return $"{Api}STREAM.RESTORE.{stream}";
    }

    public static IEnumerable<string> ForbiddingConsumer(string stream, string consumer, ConsumerAccess access)
    {
        foreach (var subject in OfConsumer(stream, consumer, access)) yield return subject;
        // The form of before 2.9 names the consumer in its body.
        if (access.HasFlag(ConsumerAccess.Manage)) yield return $"{Api}CONSUMER.CREATE.{stream}";
    }

    /// <summary>
    /// Also what is asked of the stream behind the bucket: values are read by consumers too, and deleted by who may purge. Who may change the stream can
    /// have its messages sent elsewhere and filled from elsewhere, so that goes with each. Requests name keys in their bodies, or as wildcards that are taken as
    /// they are written; only a put can be denied for some keys.
    /// </summary>
    public static IEnumerable<string> ForbiddingBucket(string bucket, NatsSubject keys, BucketAccess access)
    {
        var stream = StreamOf(bucket);
        if (access.HasFlag(BucketAccess.Read))
        {
            yield return $"{Api}DIRECT.GET.{stream}";
            yield return $"{Api}DIRECT.GET.{stream}.>";
            yield return $"{Api}STREAM.MSG.GET.{stream}";
            yield return $"{Api}STREAM.SNAPSHOT.{stream}";
        }

        if ((access & (BucketAccess.Read | BucketAccess.Watch)) != 0)
        {
            yield return $"{Api}CONSUMER.CREATE.{stream}";
            yield return $"{Api}CONSUMER.CREATE.{stream}.>";
            yield return $"{Api}CONSUMER.DURABLE.CREATE.{stream}.*";
            yield return $"{Api}CONSUMER.MSG.NEXT.{stream}.*";
        }

        if (access.HasFlag(BucketAccess.Write)) yield return $"$KV.{bucket}.{keys}";
        if ((access & (BucketAccess.Write | BucketAccess.Manage)) != 0)
        {
            foreach (var verb in (string[])["DELETE", "PURGE", "RESTORE"]) yield return $"{Api}STREAM.{verb}.{stream}";
            yield return $"{Api}STREAM.MSG.DELETE.{stream}";
        }

        if (access == BucketAccess.None) yield break;
        yield return $"{Api}STREAM.CREATE.{stream}";
        yield return $"{Api}STREAM.UPDATE.{stream}";
    }

    /// <summary>
    /// Whether a forbid of one right takes away another, on the same stream: in meaning what <see cref="ForbiddingStream"/> and
    /// <see cref="ForbiddingBucket"/> are in subjects. Of one and the same right <see cref="Capability.Touches"/> tells.
    /// </summary>
    public static bool TakesAway(Capability forbidden, CapabilityRequest request) => (forbidden, request) switch
    {
        (Capability.Bucket bucket, CapabilityRequest.Stream stream) => IsBehind(stream.Name, bucket.Name) && (bucket.Access & Needed(stream.Access)) != 0,
        (Capability.Bucket bucket, CapabilityRequest.Consumer consumer) => IsBehind(consumer.StreamName, bucket.Name)
            && (consumer.Access & ~ConsumerAccess.Info) != 0 && (bucket.Access & Seeing) != 0,
        // Who watches keys is told their values, and who manages a bucket does as he likes with all keys.
        (Capability.Bucket bucket, CapabilityRequest.Bucket asked) => bucket.Name == asked.Name && ((asked.Access & BucketAccess.Manage) != 0
            || ((asked.Access & BucketAccess.Watch) != 0 && (bucket.Access & BucketAccess.Read) != 0 && bucket.Keys.Overlaps(asked.Key))),
        (Capability.Stream stream, CapabilityRequest.Bucket asked) => IsBehind(stream.Name, asked.Name)
            && (((asked.Access & BucketAccess.Read) != 0 && (stream.Access & StreamAccess.Read) != 0)
                || ((asked.Access & BucketAccess.Watch) != 0 && (stream.Access & StreamAccess.Consume) != 0)
                || ((asked.Access & BucketAccess.Manage) != 0 && (stream.Access & (StreamAccess.Manage | StreamAccess.Purge)) != 0)),
        // Whoever fetches from a consumer looks at it, and whoever consumes a stream has consumers of his own.
        (Capability.Consumer one, CapabilityRequest.Consumer consumer) => one.StreamName == consumer.StreamName && one.Name == consumer.Name
            && (one.Access & ConsumerAccess.Consume) != 0 && (consumer.Access & ConsumerAccess.Info) != 0,
        (Capability.Stream stream, CapabilityRequest.Consumer consumer) => stream.Name == consumer.StreamName && (stream.Access & StreamAccess.Consume) != 0,
        _ => false,
    };

    /// <summary>
    /// What a forbid of one right takes of others (<see cref="TakesAway"/>), as forbids of these: a forbid together with these touches what it forbids and what it takes away. One of
    /// a consumer that is named <see cref="AnyConsumer"/> is of all of its stream.
    /// </summary>
    public static IEnumerable<Capability> AlsoForbidden(Capability forbidden)
    {
        switch (forbidden)
        {
            case Capability.Bucket bucket:
                var behind = StreamOf(bucket.Name);
                if (EachOf(access => (bucket.Access & Needed(access)) != 0) is var taken and not StreamAccess.None) yield return new Capability.Stream(behind, taken);
                if ((bucket.Access & Seeing) != 0) yield return new Capability.Consumer(behind, AnyConsumer, ConsumerAccess.Consume | ConsumerAccess.Manage);
                yield return new Capability.Bucket(bucket.Name, AllKeys, BucketAccess.Manage);
                if (bucket.Access.HasFlag(BucketAccess.Read)) yield return new Capability.Bucket(bucket.Name, bucket.Keys, BucketAccess.Watch);
                break;
            case Capability.Stream stream:
                var had = (stream.Access.HasFlag(StreamAccess.Read) ? BucketAccess.Read : 0)
                    | (stream.Access.HasFlag(StreamAccess.Consume) ? BucketAccess.Watch : 0)
                    | ((stream.Access & (StreamAccess.Manage | StreamAccess.Purge)) != 0 ? BucketAccess.Manage : 0);
                if (had != 0 && BucketBehind(stream.Name) is { } name) yield return new Capability.Bucket(name, AllKeys, had);
                if (stream.Access.HasFlag(StreamAccess.Consume)) yield return new Capability.Consumer(stream.Name, AnyConsumer, ConsumerAccess.Info | ConsumerAccess.Consume | ConsumerAccess.Manage);
                break;
            case Capability.Consumer consumer when consumer.Access.HasFlag(ConsumerAccess.Consume):
                yield return consumer with { Access = ConsumerAccess.Info };
                break;
        }

        static StreamAccess EachOf(Func<StreamAccess, bool> isTaken) =>
            Enum.GetValues<StreamAccess>().Where(isTaken).Aggregate(StreamAccess.None, (all, one) => all | one);
    }

    private const BucketAccess Seeing = BucketAccess.Read | BucketAccess.Watch;

    // Any one of which must not be forbidden.
    private static BucketAccess Needed(StreamAccess access) =>
        ((access & StreamAccess.Read) != 0 ? BucketAccess.Read : 0)
        | ((access & StreamAccess.Consume) != 0 ? Seeing : 0)
        | ((access & StreamAccess.Purge) != 0 ? BucketAccess.Write | BucketAccess.Manage : 0)
        | ((access & StreamAccess.Manage) != 0 ? Seeing | BucketAccess.Write | BucketAccess.Manage : 0);

    /// <summary>The narrowest capability that lets a client publish on this subject of JetStream, or null when none does.</summary>
    public static Capability? MeaningOf(NatsSubject subject)
    {
        var tokens = subject.Text.Split('.');
        return tokens switch
        {
            ["$KV", var bucket, _, ..] => BucketOf(bucket, subject, tokens, 2, BucketAccess.Write),
            ["$JS", "API", "DIRECT", "GET", var stream, "$KV", var bucket, _, ..] when stream == StreamOf(bucket) => BucketOf(bucket, subject, tokens, 7, BucketAccess.Read),
            ["$JS", "API", "CONSUMER", "CREATE", var stream, _, "$KV", var bucket, _, ..] when stream == StreamOf(bucket) => BucketOf(bucket, subject, tokens, 8, BucketAccess.Watch),
            ["$JS", "API", "STREAM", "INFO", var stream] => StreamWith(stream, StreamAccess.Info),
            ["$JS", "API", "STREAM", "MSG", "GET", var stream] => StreamWith(stream, StreamAccess.Read),
            ["$JS", "API", "DIRECT", "GET", var stream, ..] => StreamWith(stream, StreamAccess.Read),
            ["$JS", "API", "STREAM", "PURGE", var stream] => StreamWith(stream, StreamAccess.Purge),
            ["$JS", "API", "STREAM", "MSG", "DELETE", var stream] => StreamWith(stream, StreamAccess.Purge),
            ["$JS", "API", "STREAM", "CREATE" or "UPDATE" or "DELETE", var stream] => StreamWith(stream, StreamAccess.Manage),
            ["$JS", "API", "CONSUMER", "CREATE", var stream] => StreamWith(stream, StreamAccess.Consume),
            ["$JS", "API", "CONSUMER", "INFO", var stream, var consumer] => ConsumerWith(stream, consumer, ConsumerAccess.Info),
            ["$JS", "API", "CONSUMER", "MSG", "NEXT", var stream, var consumer] => ConsumerWith(stream, consumer, ConsumerAccess.Consume),
            ["$JS", "API", "CONSUMER", "CREATE", var stream, var consumer, ..] => ConsumerWith(stream, consumer, ConsumerAccess.Manage),
            ["$JS", "API", "CONSUMER", "DURABLE", "CREATE", var stream, var consumer] => ConsumerWith(stream, consumer, ConsumerAccess.Manage),
            ["$JS", "API", "CONSUMER", "DELETE" or "PAUSE", var stream, var consumer] => ConsumerWith(stream, consumer, ConsumerAccess.Manage),
            ["$JS", "ACK", var stream, var consumer, _, _, _, _, _] => ConsumerWith(stream, consumer, ConsumerAccess.Consume),
            ["$JS", "ACK", _, _, var stream, var consumer, _, _, _, _, _, ..] => ConsumerWith(stream, consumer, ConsumerAccess.Consume),
            ["$JS", "FC", var stream, var consumer, _] => ConsumerWith(stream, consumer, ConsumerAccess.Consume),
            ["$JS", "FC", _, _, var stream, var consumer, _] => ConsumerWith(stream, consumer, ConsumerAccess.Consume),
            _ => null,
        };
    }

    /// <summary>The stream behind a bucket (NATS ADR-8).</summary>
    public static string StreamOf(string bucket) => BucketStream + bucket;

    /// <summary>The same as <see cref="StreamOf"/> compared, without a text of its own.</summary>
    private static bool IsBehind(string stream, string bucket) =>
        stream.Length == BucketStream.Length + bucket.Length && stream.StartsWith(BucketStream, StringComparison.Ordinal) && stream.EndsWith(bucket, StringComparison.Ordinal);

    /// <summary>The key of the stream that a request is about; none when it has none.</summary>
    public static void FindStreamBehind(CapabilityRequest request, KeySpace streams, ref KeySet found)
    {
        switch (request)
        {
            case CapabilityRequest.Stream stream:
                streams.Find(stream.Name, ref found);
                break;
            case CapabilityRequest.Consumer consumer:
                streams.Find(consumer.StreamName, ref found);
                break;
            // A name that was read is short.
            case CapabilityRequest.Bucket { Name.Length: > 256 } bucket:
                streams.Find(StreamOf(bucket.Name), ref found);
                break;
            case CapabilityRequest.Bucket bucket:
                Span<char> name = stackalloc char[BucketStream.Length + 256];
                BucketStream.CopyTo(name);
                bucket.Name.CopyTo(name[BucketStream.Length..]);
                streams.Find(name[..(BucketStream.Length + bucket.Name.Length)], ref found);
                break;
        }
    }

    /// <summary>
    /// The subjects without which a request is refused, whatever else is told. Not the states beside another right, nor how clients of before 2.9 create
    /// consumers: with either taken away the right is still one.
    /// </summary>
    public static IEnumerable<string> NeededFor(CapabilityRequest request)
    {
        switch (request)
        {
            case CapabilityRequest.Stream stream:
                var old = $"{Api}CONSUMER.CREATE.{stream.Name}";
                return OfStream(stream.Name, stream.Access).Where(subject => subject != old && (stream.Access.HasFlag(StreamAccess.Info) || !IsState(subject)));
            case CapabilityRequest.Consumer consumer:
                return OfConsumer(consumer.StreamName, consumer.Name, consumer.Access).Where(subject => consumer.Access.HasFlag(ConsumerAccess.Info) || !IsState(subject));
            case CapabilityRequest.Bucket bucket:
                // Who asks for app.* asks for what is told as app.>.
                var keys = WhyKeysCannotBeGranted(bucket.Key, bucket.Access) is null ? bucket.Key : NatsSubject.Raw($"{bucket.Key.Text[..^1]}>");
                return OfBucket(bucket.Name, keys, bucket.Access).Where(subject => !IsState(subject));
            default:
                return [];
        }

        static bool IsState(string subject) => subject.StartsWith($"{Api}STREAM.INFO.", StringComparison.Ordinal) || subject.StartsWith($"{Api}CONSUMER.INFO.", StringComparison.Ordinal);
    }

    /// <summary>The bucket that a stream is behind; null when it is behind none.</summary>
    public static string? BucketBehind(string stream) =>
        stream.StartsWith(BucketStream, StringComparison.Ordinal) && stream[BucketStream.Length..] is var bucket && JetStreamNames.FindProblem(bucket, "bucket") is null ? bucket : null;

    /// <summary>The stream that a right is about; null when it is not of JetStream.</summary>
    public static string? StreamBehind(Capability capability) => capability switch
    {
        Capability.Stream stream => stream.Name,
        Capability.Consumer consumer => consumer.StreamName,
        Capability.Bucket bucket => StreamOf(bucket.Name),
        _ => null,
    };

    /// <summary>Fetching messages and acknowledging them; flow control is what a consumer that pushes expects.</summary>
    private static IEnumerable<string> Delivery(string stream, string consumer)
    {
        yield return $"{Api}CONSUMER.MSG.NEXT.{stream}.{consumer}";
        // Acknowledgements have 9 tokens, those of version 2 at least 11, with the domain and a hash of the account in front (NATS
        // ADR-15). Counted, because otherwise each form could be read as the other with parts of another stream's name.
        yield return $"$JS.ACK.{stream}.{consumer}.*.*.*.*.*";
        yield return $"$JS.ACK.*.*.{stream}.{consumer}.*.*.*.*.>";
        foreach (var subject in FlowControl(stream, consumer)) yield return subject;
    }

    private static IEnumerable<string> FlowControl(string stream, string consumer)
    {
        yield return $"$JS.FC.{stream}.{consumer}.*";
        yield return $"$JS.FC.*.*.{stream}.{consumer}.*";
    }

    private static Capability.Stream? StreamWith(string stream, StreamAccess access) =>
        JetStreamNames.FindProblem(stream, "stream") is null ? new Capability.Stream(stream, access) : null;

    private static Capability.Consumer? ConsumerWith(string stream, string consumer, ConsumerAccess access) =>
        JetStreamNames.FindProblem(stream, "stream") is null && JetStreamNames.FindProblem(consumer, "consumer") is null
            ? new Capability.Consumer(stream, consumer, access) : null;

    private static Capability.Bucket? BucketOf(string bucket, NatsSubject subject, string[] tokens, int keysAt, BucketAccess access)
    {
        if (JetStreamNames.FindProblem(bucket, "bucket") is not null) return null;
        var start = tokens.Take(keysAt).Sum(token => token.Length + 1);
        return JetStreamNames.TryParseKeys(subject.Text[start..], out var keys, out _) ? new Capability.Bucket(bucket, keys, access) : null;
    }
}
