using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

public enum PolicyWarningKind
{
    /// <summary>Too much work to decide.</summary>
    Undecided = 0,

    /// <summary>The rule says nothing at all: it has expired, or means a label that nobody assigns.</summary>
    Dead,

    /// <summary>Other rules say all that this one says.</summary>
    Shadowed,

    /// <summary>Other rules forbid all that this one permits.</summary>
    Contradiction,

    /// <summary>It is granted, and no component that may have it imports or exports anything of it; of each that is registered one knows what it uses.</summary>
    OverGrant,

    /// <summary>A component imports it, and it may not have it.</summary>
    NotGranted,

    /// <summary>No registered identity is meant, and nobody who needs no entry.</summary>
    MeansNobody,

    /// <summary>It forbids something by the SPIFFE ID that this had once, and does not hold it any more.</summary>
    FormerId,

    /// <summary>It permits everything of a kind, or something to a whole trust domain.</summary>
    Wide,

    /// <summary>It names a signer by something that is no key.</summary>
    UnverifiedSigner,

    /// <summary>It permits on NATS what nats-server cannot be told, or not beside the other rules, so that nobody can use it.</summary>
    Unusable,

    /// <summary>It permits on NATS what a nats-server of kind <see cref="NatsServerKind.Older"/> is not told; of no concern where there is none.</summary>
    OlderServers,

    /// <summary>It permits an interface of WASI without a version, which no component asks for so.</summary>
    Unversioned,
}

/// <summary>Something in a policy that is probably not what its author meant.</summary>
/// <param name="Rule">Null when no rule is to blame: an import that nothing grants.</param>
/// <param name="Line">Of the rule in the source of its document, from 1; 0 when the rule was not read from text.</param>
/// <param name="Text">What is so, as a sentence.</param>
/// <param name="Advice">What to do about it.</param>
public sealed record PolicyWarning(PolicyWarningKind Kind, RuleReference? Rule, int Line, string Text, string Advice);

/// <summary>What is known to be there, beside which a policy can be judged.</summary>
public sealed record PolicyInventory
{
    public static PolicyInventory Empty { get; } = new();

    /// <summary>Components as they would start. Of grants to callers that none of these is, nothing is said.</summary>
    public ImmutableArray<ComponentStart> Components { get; init; } = [];

    /// <summary>All who are registered, each as far as its entry tells, hosts, and whom else one knows to be there; empty when that is not known.</summary>
    public ImmutableArray<Principal> Identities { get; init; } = [];
}
