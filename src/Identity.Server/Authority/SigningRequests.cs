using System.Net;
using Identity.Issuance;
using Identity.Ledger.V1;
using Spiffe.Net;

namespace Identity.Server.Authority;

/// <summary>An X509-SVID that was decided on. The names come from an entry or an operator; the key's possession was proven.</summary>
/// <param name="Requester">A SPIFFE ID, <c>admin:uid=…</c> or <c>server</c>.</param>
internal sealed record X509SigningRequest(SpiffeId Id, SubjectPublicKey PublicKey, string Requester)
{
    public IReadOnlyList<string> DnsNames { get; init; } = [];

    public IReadOnlyList<IPAddress> IpAddresses { get; init; } = [];

    /// <summary>Null: the default of its kind. More than the longest is cut.</summary>
    public TimeSpan? Lifetime { get; init; }

    /// <summary>What it rests on ends then, and so does it. Null: that has no end.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Taken off the end, at most a tenth of the lifetime, so that what is issued together is not renewed together.</summary>
    public TimeSpan Jitter { get; init; }

    public string EntryId { get; init; } = "";

    public IssuanceRecord.Types.Kind Kind { get; init; } = IssuanceRecord.Types.Kind.X509Svid;

    /// <summary>A server outside the reach of the Workload API: up to 7 days instead of one.</summary>
    public bool IsLongLived { get; init; }
}

internal sealed record JwtSigningRequest(SpiffeId Id, IReadOnlyList<string> Audience, string Requester)
{
    public TimeSpan? Lifetime { get; init; }

    /// <summary>What it rests on ends then, and so does it. Null: that has no end.</summary>
    public DateTimeOffset? Until { get; init; }

    public string EntryId { get; init; } = "";
}

/// <param name="ProofKey">The workload's key, made for it by the requester.</param>
internal sealed record WitSigningRequest(SpiffeId Id, ProofKey ProofKey, string Requester)
{
    public TimeSpan? Lifetime { get; init; }

    /// <summary>What it rests on ends then, and so does it. Null: that has no end.</summary>
    public DateTimeOffset? Until { get; init; }

    public string EntryId { get; init; } = "";
}

internal abstract record X509Signing
{
    private X509Signing() { }

    public sealed record Issued(IssuedX509Svid Svid) : X509Signing;

    /// <summary>Nothing was signed. The reason may be told to whoever asked.</summary>
    public sealed record Refused(string Reason) : X509Signing;
}

internal abstract record JwtSigning
{
    private JwtSigning() { }

    public sealed record Issued(IssuedJwtSvid Svid) : JwtSigning;

    /// <param name="IsAboutRequest">True when asking again later is of no use.</param>
    public sealed record Refused(string Reason, bool IsAboutRequest) : JwtSigning;
}

internal abstract record WitSigning
{
    private WitSigning() { }

    public sealed record Issued(IssuedWitSvid Svid) : WitSigning;

    public sealed record Refused(string Reason) : WitSigning;

    /// <summary>This server does not issue WIT-SVIDs.</summary>
    public sealed record Off : WitSigning;
}
