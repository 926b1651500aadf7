namespace Identity.Issuance;

/// <summary>A draft that may be recorded and then issued, or why there is none.</summary>
public abstract record WitSvidPreparation
{
    private WitSvidPreparation()
    {
    }

    public sealed record Prepared(WitSvidDraft Draft) : WitSvidPreparation;

    public sealed record Refused(string Reason) : WitSvidPreparation;
}
