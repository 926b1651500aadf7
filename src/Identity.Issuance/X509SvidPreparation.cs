namespace Identity.Issuance;

/// <summary>A draft that may be recorded and then issued, or why there is none.</summary>
public abstract record X509SvidPreparation
{
    private X509SvidPreparation()
    {
    }

    public sealed record Prepared(X509SvidDraft Draft) : X509SvidPreparation;

    public sealed record Refused(string Reason) : X509SvidPreparation;
}
