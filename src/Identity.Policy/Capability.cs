using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Identity.Policy;

/// <summary>What a rule permits or forbids: a set of things that may be asked for. Exactly comparable with every other.</summary>
public abstract record Capability
{
    private Capability() { }

    /// <summary>The word that names it in a document.</summary>
    public abstract string Kind { get; }

    /// <summary>What stands behind the word in one line of text; empty for <c>start</c>.</summary>
    public abstract string Value { get; }

    /// <summary>As an item of a rule's <c>capabilities</c>, in one line of YAML.</summary>
    public virtual string ToYaml() => $"{Kind}: {YamlText.Of(Value)}";

    /// <summary>True when all that is asked for is meant: what a permit needs.</summary>
    public abstract bool Matches(CapabilityRequest request);

    /// <summary>True when some of what is asked for is meant: enough for a forbid. Differs from <see cref="Matches"/> for requests of several things at once.</summary>
    public virtual bool Touches(CapabilityRequest request) => Matches(request);

    /// <summary>True when everything that the other one means is also meant by this one.</summary>
    public abstract bool Covers(Capability other);

    /// <summary>True when something is meant by both.</summary>
    public virtual bool Overlaps(Capability other) => Covers(other) || other.Covers(this);

    /// <summary>Why a permit may not say this, or null. What may be forbidden is wider than what may be granted.</summary>
    public virtual string? WhyNotGrantable() => null;

    /// <summary>One line: <c>connect api.example.com:443</c>.</summary>
    public sealed override string ToString() => Value.Length == 0 ? Kind : $"{Kind} {Value}";

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static Capability Parse(string text) => CapabilityText.Parse(text);

    /// <param name="kind">The word that names it in a document.</param>
    /// <param name="value">As <see cref="Value"/>.</param>
    public static bool TryParse(
        string kind, string value, [NotNullWhen(true)] out Capability? capability, [NotNullWhen(false)] out string? problem) =>
        CapabilityText.TryParse(kind, value, out capability, out problem);

    /// <summary>To start at all. A component that imports something starts when its imports are granted; one that imports nothing needs this.</summary>
    public sealed record Start : Capability
    {
        public override string Kind => "start";

        public override string Value => "";

        public override string ToYaml() => Kind;

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Start;

        public override bool Covers(Capability other) => other is Start;
    }

    /// <summary>To be linked with an import, or with one function of it.</summary>
    public sealed record Import(ImportPattern Pattern) : Capability
    {
        public override string Kind => "import";

        public override string Value => Pattern.Text;

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Import import && Pattern.Matches(import.Interface, import.Function);

        public override bool Touches(CapabilityRequest request) => request is CapabilityRequest.Import import && Pattern.Touches(import.Interface, import.Function);

        public override bool Covers(Capability other) => other is Import import && Pattern.Covers(import.Pattern);

        public override bool Overlaps(Capability other) => other is Import import && Pattern.Overlaps(import.Pattern);

        public override string? WhyNotGrantable() => WhyNotGrantable(Pattern);

        internal static string? WhyNotGrantable(ImportPattern pattern) => pattern.AnyVersion
            ? $"'{pattern}' would grant versions that do not exist yet; name a version ('@*' is for forbids)" : null;
    }

    /// <summary>To have an export called by its host or by another component.</summary>
    public sealed record Export(ImportPattern Pattern) : Capability
    {
        public override string Kind => "export";

        public override string Value => Pattern.Text;

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Export export && Pattern.Matches(export.Interface, export.Function);

        public override bool Touches(CapabilityRequest request) => request is CapabilityRequest.Export export && Pattern.Touches(export.Interface, export.Function);

        public override bool Covers(Capability other) => other is Export export && Pattern.Covers(export.Pattern);

        public override bool Overlaps(Capability other) => other is Export export && Pattern.Overlaps(export.Pattern);

        public override string? WhyNotGrantable() => Import.WhyNotGrantable(Pattern);
    }

    public sealed record NatsPublish(NatsSubject Subject) : Capability
    {
        public override string Kind => "natsPublish";

        public override string Value => Subject.Text;

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.NatsPublish publish && Subject.Covers(publish.Subject);

        public override bool Touches(CapabilityRequest request) => request is CapabilityRequest.NatsPublish publish && Subject.Overlaps(publish.Subject);

        public override bool Covers(Capability other) => other is NatsPublish publish && Subject.Covers(publish.Subject);

        public override bool Overlaps(Capability other) => other is NatsPublish publish && Subject.Overlaps(publish.Subject);

        public override string? WhyNotGrantable() => Subject.WhyNotGrantable();
    }

    /// <param name="Queue">Null means a plain subscription and every queue group, as nats-server has it.</param>
    public sealed record NatsSubscribe(NatsSubject Subject, string? Queue = null) : Capability
    {
        public override string Kind => "natsSubscribe";

        public override string Value => Queue is null ? Subject.Text : $"{Subject.Text} {Queue}";

        public override string ToYaml() => Queue is null ? base.ToYaml() : $"{{ {Kind}: {YamlText.Of(Subject.Text)}, queue: {YamlText.Of(Queue)} }}";

        public override bool Matches(CapabilityRequest request) =>
            request is CapabilityRequest.NatsSubscribe subscribe && (Queue is null || Queue == subscribe.Queue) && Subject.Covers(subscribe.Subject);

        public override bool Touches(CapabilityRequest request) =>
            request is CapabilityRequest.NatsSubscribe subscribe && (Queue is null || Queue == subscribe.Queue) && Subject.Overlaps(subscribe.Subject);

        public override bool Covers(Capability other) =>
            other is NatsSubscribe subscribe && (Queue is null || Queue == subscribe.Queue) && Subject.Covers(subscribe.Subject);

        public override bool Overlaps(Capability other) =>
            other is NatsSubscribe subscribe && (Queue is null || subscribe.Queue is null || Queue == subscribe.Queue) && Subject.Overlaps(subscribe.Subject);

        public override string? WhyNotGrantable() => Subject.WhyNotGrantable();
    }

    /// <summary>To answer requests: publish to the reply subject of a message that arrived (nats-server, allow_responses).</summary>
    /// <param name="MaxMessages">Answers to one request.</param>
    /// <param name="Within">Time after the request.</param>
    public sealed record NatsRespond(int MaxMessages, TimeSpan Within) : Capability
    {
        /// <summary>However many, however late: what a forbid says.</summary>
        public static NatsRespond Any { get; } = new(int.MaxValue, TimeSpan.MaxValue);

        public override string Kind => "natsRespond";

        public override string Value => this == Any ? "" : string.Create(CultureInfo.InvariantCulture, $"{MaxMessages} {YamlText.Of(Within)}");

        public override string ToYaml() => this == Any ? Kind : string.Create(CultureInfo.InvariantCulture, $"{Kind}: {{ max: {MaxMessages}, within: {YamlText.Of(Within)} }}");

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.NatsRespond;

        public override bool Covers(Capability other) => other is NatsRespond respond && respond.MaxMessages <= MaxMessages && respond.Within <= Within;

        public override bool Overlaps(Capability other) => other is NatsRespond;

        public override string? WhyNotGrantable() => this == Any ? "a permit to respond says how often and how soon; write natsRespond: { max: 1, within: 1m }" : null;
    }

    /// <summary>To use a JetStream stream.</summary>
    public sealed record Stream(string Name, StreamAccess Access) : Capability
    {
        public override string Kind => "stream";

        public override string Value => $"{Name} {CapabilityText.Of(Access)}";

        public override string ToYaml() => $"{{ {Kind}: {YamlText.Of(Name)}, access: [{CapabilityText.Of(Access, ", ")}] }}";

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Stream stream && Name == stream.Name && (Access & stream.Access) == stream.Access;

        public override bool Touches(CapabilityRequest request) => request is CapabilityRequest.Stream stream && Name == stream.Name && (Access & stream.Access) != 0;

        public override bool Covers(Capability other) => other is Stream stream && Name == stream.Name && (Access & stream.Access) == stream.Access;

        public override bool Overlaps(Capability other) => other is Stream stream && Name == stream.Name && (Access & stream.Access) != 0;
    }

    /// <summary>To use one durable consumer of a JetStream stream.</summary>
    public sealed record Consumer(string StreamName, string Name, ConsumerAccess Access) : Capability
    {
        public override string Kind => "consumer";

        public override string Value => $"{StreamName}/{Name} {CapabilityText.Of(Access)}";

        public override string ToYaml() => $"{{ {Kind}: {YamlText.Of($"{StreamName}/{Name}")}, access: [{CapabilityText.Of(Access, ", ")}] }}";

        public override bool Matches(CapabilityRequest request) =>
            request is CapabilityRequest.Consumer consumer && Name == consumer.Name && StreamName == consumer.StreamName && (Access & consumer.Access) == consumer.Access;

        public override bool Touches(CapabilityRequest request) =>
            request is CapabilityRequest.Consumer consumer && Name == consumer.Name && StreamName == consumer.StreamName && (Access & consumer.Access) != 0;

        public override bool Covers(Capability other) =>
            other is Consumer consumer && Name == consumer.Name && StreamName == consumer.StreamName && (Access & consumer.Access) == consumer.Access;

        public override bool Overlaps(Capability other) =>
            other is Consumer consumer && Name == consumer.Name && StreamName == consumer.StreamName && (Access & consumer.Access) != 0;
    }

    /// <summary>To use keys of a key-value bucket.</summary>
    public sealed record Bucket(string Name, NatsSubject Keys, BucketAccess Access) : Capability
    {
        /// <summary>Every key.</summary>
        public static NatsSubject AllKeys { get; } = NatsSubject.Parse(">");

        public override string Kind => "bucket";

        public override string Value => $"{Name}/{Keys.Text} {CapabilityText.Of(Access)}";

        public override string ToYaml() => Keys == AllKeys
            ? $"{{ {Kind}: {YamlText.Of(Name)}, access: [{CapabilityText.Of(Access, ", ")}] }}"
            : $"{{ {Kind}: {YamlText.Of(Name)}, keys: {YamlText.Of(Keys.Text)}, access: [{CapabilityText.Of(Access, ", ")}] }}";

        public override bool Matches(CapabilityRequest request) =>
            request is CapabilityRequest.Bucket bucket && Name == bucket.Name && (Access & bucket.Access) == bucket.Access && Keys.Covers(bucket.Key);

        public override bool Touches(CapabilityRequest request) =>
            request is CapabilityRequest.Bucket bucket && Name == bucket.Name && (Access & bucket.Access) != 0 && Keys.Overlaps(bucket.Key);

        public override bool Covers(Capability other) =>
            other is Bucket bucket && Name == bucket.Name && (Access & bucket.Access) == bucket.Access && Keys.Covers(bucket.Keys);

        public override bool Overlaps(Capability other) =>
            other is Bucket bucket && Name == bucket.Name && (Access & bucket.Access) != 0 && Keys.Overlaps(bucket.Keys);

        public override string? WhyNotGrantable() => WhyManageHasNoKeys(Keys, Access) ?? NatsJetStream.WhyKeysCannotBeGranted(Keys, Access);

        internal static string? WhyManageHasNoKeys(NatsSubject keys, BucketAccess access) => (access & BucketAccess.Manage) != 0 && keys != AllKeys
            ? $"'manage' is about the whole bucket, which the keys '{keys}' are not; grant it without keys" : null;
    }

    /// <summary>To open connections.</summary>
    public sealed record Connect(ConnectTarget Target) : Capability
    {
        public override string Kind => "connect";

        public override string Value => Target.ToString();

        public override string ToYaml() => Target.Protocol == TransportProtocol.Tcp
            ? base.ToYaml() : $"{{ {Kind}: {YamlText.Of(Target.HostAndPorts)}, protocol: udp }}";

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Connect connect && Target.Covers(connect.Target);

        public override bool Touches(CapabilityRequest request) => request is CapabilityRequest.Connect connect && Target.Overlaps(connect.Target);

        public override bool Covers(Capability other) => other is Connect connect && Target.Covers(connect.Target);

        public override bool Overlaps(Capability other) => other is Connect connect && Target.Overlaps(connect.Target);
    }

    /// <summary>To have names resolved.</summary>
    public sealed record Resolve(DnsPattern Name) : Capability
    {
        public override string Kind => "resolve";

        public override string Value => Name.Text;

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Resolve resolve && Name.Covers(resolve.Name);

        public override bool Touches(CapabilityRequest request) => request is CapabilityRequest.Resolve resolve && Name.Overlaps(resolve.Name);

        public override bool Covers(Capability other) => other is Resolve resolve && Name.Covers(resolve.Name);
    }

    /// <summary>To read configuration keys.</summary>
    public sealed record Config(SegmentPattern Name) : Capability
    {
        public override string Kind => "config";

        public override string Value => Name.Text;

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Config config && Name.Covers(config.Name);

        public override bool Touches(CapabilityRequest request) => request is CapabilityRequest.Config config && Name.Overlaps(config.Name);

        public override bool Covers(Capability other) => other is Config config && Name.Covers(config.Name);
    }

    /// <summary>To read secrets.</summary>
    public sealed record Secret(SegmentPattern Name) : Capability
    {
        public override string Kind => "secret";

        public override string Value => Name.Text;

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Secret secret && Name.Covers(secret.Name);

        public override bool Touches(CapabilityRequest request) => request is CapabilityRequest.Secret secret && Name.Overlaps(secret.Name);

        public override bool Covers(Capability other) => other is Secret secret && Name.Covers(secret.Name);
    }

    /// <summary>To be given tokens for an audience, compared byte by byte.</summary>
    public sealed record Audience(string Name) : Capability
    {
        public override string Kind => "audience";

        public override string Value => Name;

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Audience audience && Name == audience.Name;

        public override bool Covers(Capability other) => other is Audience audience && Name == audience.Name;
    }

    /// <summary>To have a path of the host mounted.</summary>
    public sealed record Mount(SegmentPattern Path) : Capability
    {
        public override string Kind => "mount";

        public override string Value => Path.Text;

        public override bool Matches(CapabilityRequest request) => request is CapabilityRequest.Mount mount && Path.Covers(mount.Path);

        public override bool Touches(CapabilityRequest request) => request is CapabilityRequest.Mount mount && Path.Overlaps(mount.Path);

        public override bool Covers(Capability other) => other is Mount mount && Path.Covers(mount.Path);
    }
}
