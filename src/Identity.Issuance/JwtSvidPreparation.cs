namespace Identity.Issuance;

/// <summary>A draft that may be recorded and then issued, or why there is none.</summary>
public abstract record JwtSvidPreparation
{
    private JwtSvidPreparation()
    {
    }

    public sealed record Prepared(JwtSvidDraft Draft) : JwtSvidPreparation;

    /// <param name="IsAboutRequest">True when the same request would be refused at any time: its identity, its audience or its lifetime cannot be meant, or the token would be too long.</param>
    public sealed record Refused(string Reason, bool IsAboutRequest) : JwtSvidPreparation;
}
