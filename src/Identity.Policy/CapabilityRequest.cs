using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>
/// What is asked for. Usually one thing; a wildcard subject, a whole interface or a pattern asks for several at once, all of which one
/// permit must cover and none of which a forbid may touch.
/// </summary>
public abstract record CapabilityRequest
{
    private CapabilityRequest() { }

    /// <summary>The narrowest capability that grants this.</summary>
    public abstract Capability ToCapability();

    /// <summary>The same words as in a document: <c>connect api.example.com:443</c>.</summary>
    public sealed override string ToString() => this is NatsRespond ? "natsRespond" : ToCapability().ToString();

    /// <param name="kind">The word that names the capability in a document.</param>
    /// <param name="value">As in a document: <c>api.example.com:443</c>, <c>ORDERS/worker consume</c>, <c>settings/app.theme read</c>, <c>orders.new workers</c>.</param>
    public static bool TryParse(
        string kind, string value, [NotNullWhen(true)] out CapabilityRequest? request, [NotNullWhen(false)] out string? problem) =>
        CapabilityText.TryParseRequest(kind, value, out request, out problem);

    /// <summary>Reads what <see cref="ToString"/> writes: the word, a space, the value.</summary>
    public static bool TryParse(
        string text, [NotNullWhen(true)] out CapabilityRequest? request, [NotNullWhen(false)] out string? problem)
    {
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        return TryParse(space < 0 ? text : text[..space], space < 0 ? "" : text[(space + 1)..], out request, out problem);
    }

    /// <summary>For constants and tests; <see cref="TryParse(string, out CapabilityRequest?, out string?)"/> is for input.</summary>
    public static CapabilityRequest Parse(string text) =>
        TryParse(text, out var request, out var problem) ? request : throw new FormatException(problem);

    public sealed record Start : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Start();
    }

    /// <param name="Function">As the component spells it; null asks for the whole interface.</param>
    public sealed record Import(InterfaceName Interface, string? Function = null) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Import(ImportPattern.Of(Interface, Function));
    }

    /// <param name="Interface">Null for a function that the component exports without an interface; then the function is not null.</param>
    /// <param name="Function">Null asks for the whole interface.</param>
    public sealed record Export(InterfaceName? Interface, string? Function = null) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Export(ImportPattern.Of(Interface, Function));
    }

    public sealed record NatsPublish(NatsSubject Subject) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.NatsPublish(Subject);
    }

    /// <param name="Queue">Null for a subscription without a queue group.</param>
    public sealed record NatsSubscribe(NatsSubject Subject, string? Queue = null) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.NatsSubscribe(Subject, Queue);
    }

    /// <summary>To answer requests at all.</summary>
    public sealed record NatsRespond : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.NatsRespond(1, TimeSpan.FromMinutes(1));
    }

    public sealed record Stream(string Name, StreamAccess Access) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Stream(Name, Access);
    }

    public sealed record Consumer(string StreamName, string Name, ConsumerAccess Access) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Consumer(StreamName, Name, Access);
    }

    /// <param name="Key">A key, a pattern of keys to watch, or <see cref="Capability.Bucket.AllKeys"/> for the bucket itself.</param>
    public sealed record Bucket(string Name, NatsSubject Key, BucketAccess Access) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Bucket(Name, Key, Access);
    }

    public sealed record Connect(ConnectTarget Target) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Connect(Target);
    }

    public sealed record Resolve(DnsPattern Name) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Resolve(Name);
    }

    public sealed record Config(SegmentPattern Name) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Config(Name);
    }

    public sealed record Secret(SegmentPattern Name) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Secret(Name);
    }

    public sealed record Audience(string Name) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Audience(Name);
    }

    public sealed record Mount(SegmentPattern Path) : CapabilityRequest
    {
        public override Capability ToCapability() => new Capability.Mount(Path);
    }
}
