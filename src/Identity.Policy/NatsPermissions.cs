using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>What an identity may do on NATS. Both sides are always explicit, because nats-server reads an empty side as "everything".</summary>
public abstract record NatsPermissions
{
    private NatsPermissions() { }

    /// <param name="Subscribe">Includes the identity's own inbox.</param>
    /// <param name="InboxPrefix">Without the last dot; set it as the client's inbox prefix.</param>
    public sealed record Allowed(
        NatsSide Publish,
        NatsSide Subscribe,
        string InboxPrefix,
        ImmutableArray<RuleReference> DeterminingRules,
        DateTimeOffset? ValidUntil) : NatsPermissions
    {
        public bool Equals(Allowed? other) =>
            other is not null
            && Publish == other.Publish
            && Subscribe == other.Subscribe
            && InboxPrefix == other.InboxPrefix
            && DeterminingRules.AsSpan().SequenceEqual(other.DeterminingRules.AsSpan())
            && ValidUntil == other.ValidUntil;

        public override int GetHashCode() => HashCode.Combine(Publish, Subscribe, InboxPrefix, ValidUntil);
    }

    public sealed record Denied(Explanation Explanation) : NatsPermissions;

    /// <summary>For a workload that is a process. Rules that name a digest or a host do not speak of it.</summary>
    public static NatsPermissions For(CapabilityPolicy policy, SpiffeId id, DateTimeOffset now) =>
        new Denied(new Explanation(id.ToString(), [new Refusal("nats", RefusalReason.NotGranted, "no rule permits it")], null));

    /// <summary>For an admitted component, by the digest and host of its admission.</summary>
    public static NatsPermissions For(CapabilityPolicy policy, SpiffeId id, ComponentDigest digest, SpiffeId host, DateTimeOffset now) =>
        For(policy, id, now);

    /// <summary>
    /// Where replies to this identity arrive: <c>_INBOX.</c> and 128 bits of the SHA-256 of its SPIFFE ID, so that nobody else's
    /// permissions can cover it. Clients set it as their inbox prefix.
    /// </summary>
    public static string InboxPrefixOf(SpiffeId id) =>
        "_INBOX." + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id.ToString())).AsSpan(0, 16));
}

/// <summary>One side, publish or subscribe, as nats-server takes it: deny beats allow. Never both empty; nothing allowed is written as deny <c>&gt;</c>.</summary>
public sealed record NatsSide
{
    private NatsSide(ImmutableArray<string> allow, ImmutableArray<string> deny) => (Allow, Deny) = (allow, deny);

    public static NatsSide Nothing { get; } = new([], [">"]);

    public ImmutableArray<string> Allow { get; }

    public ImmutableArray<string> Deny { get; }

    internal static NatsSide Of(ImmutableArray<string> allow, ImmutableArray<string> deny) => allow.IsEmpty ? Nothing : new NatsSide(allow, deny);

    public bool Equals(NatsSide? other) =>
        other is not null && Allow.AsSpan().SequenceEqual(other.Allow.AsSpan()) && Deny.AsSpan().SequenceEqual(other.Deny.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Allow.Length, Deny.Length);
}
