namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// A JWT-SVID of our own, as the Workload API handed it out: something to present, and no proof of anything to ourselves. Nobody has verified it, so it is no
/// <see cref="JwtSvid"/> and is taken nowhere for one. Not a record: printing one must not print the token.
/// </summary>
public sealed class JwtCredential
{
    internal JwtCredential(UnverifiedJwtSvid svid, string hint)
    {
        Token = svid.Token;
        Id = svid.Id;
        Audience = svid.Audience;
        ExpiresAt = svid.ExpiresAt;
        Hint = hint;
    }

    /// <summary>The compact form, for <c>Authorization: Bearer</c> (JWT-SVID §5.2): a secret until it expires.</summary>
    public string Token { get; }

    /// <summary>Which identity of this process it speaks for, in the endpoint's words and the token's, which agree.</summary>
    public SpiffeId Id { get; }

    /// <summary>Whom it may be presented to: those that were asked for at least.</summary>
    public IReadOnlyList<string> Audience { get; }

    /// <summary>From this moment on nobody accepts it.</summary>
    public DateTimeOffset ExpiresAt { get; }

    /// <summary>What the operator calls this identity; empty when there is only one.</summary>
    public string Hint { get; }

    /// <summary>Names the workload, not the token.</summary>
    public override string ToString() => $"JWT-SVID credential of {Id}";
}
