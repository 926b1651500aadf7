namespace Identity.Policy;

/// <summary>What a rule permits or forbids.</summary>
public abstract record Capability
{
    private Capability() { }

    /// <summary>To start at all. A component that imports something starts when its imports are granted; one that imports nothing needs this.</summary>
    public sealed record Start : Capability
    {
        public override string ToString() => "start";
    }

    /// <summary>To be linked with an import.</summary>
    public sealed record Import(ImportPattern Pattern) : Capability
    {
        public override string ToString() => $"import {Pattern}";
    }

    public sealed record NatsPublish(NatsSubject Subject) : Capability
    {
        public override string ToString() => $"natsPublish {Subject}";
    }

    public sealed record NatsSubscribe(NatsSubject Subject) : Capability
    {
        public override string ToString() => $"natsSubscribe {Subject}";
    }
}
