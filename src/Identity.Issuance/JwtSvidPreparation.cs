namespace Identity.Issuance;

/// <summary>A draft that may be recorded and then issued, or why there is none.</summary>
public abstract record JwtSvidPreparation
{
    private JwtSvidPreparation()
    {
    }

    public sealed record Prepared(JwtSvidDraft Draft) : JwtSvidPreparation;

    public sealed record Refused(string Reason) : JwtSvidPreparation;
}
