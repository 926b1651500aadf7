using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>One <c>kind: RegistrationEntry</c> document: who may have which SPIFFE ID.</summary>
public sealed record RegistrationEntryDocument
{
    /// <summary>Shorter would be spent on renewing.</summary>
    public static readonly TimeSpan LeastTtl = TimeSpan.FromSeconds(10);

    public required SpiffeId SpiffeId { get; init; }

    /// <summary>The agent, node alias or host that may ask for it.</summary>
    public required SpiffeId ParentId { get; init; }

    /// <summary>Each as <c>type:value</c>; a workload must have all of them; never empty.</summary>
    public required ImmutableArray<string> Selectors { get; init; }

    public TimeSpan? X509SvidTtl { get; init; }

    public TimeSpan? JwtSvidTtl { get; init; }

    public string? Hint { get; init; }

    public ImmutableArray<string> DnsNames { get; init; } = [];

    /// <summary>Other trust domains whose bundles the workload gets beside its own.</summary>
    public ImmutableArray<string> FederatesWith { get; init; } = [];
}

/// <summary>What a file of several documents holds, each kind in the order of the file.</summary>
public sealed record Manifest(ImmutableArray<PolicyDocument> Policies, ImmutableArray<RegistrationEntryDocument> Entries, ImmutableArray<PolicyRole> Roles)
{
    /// <summary>Expectations; they change nothing.</summary>
    public ImmutableArray<PolicyTestDocument> Tests { get; init; } = [];
}
