namespace Identity.Issuance;

/// <summary>Where an authority stands between being made and being forgotten.</summary>
public enum AuthorityState
{
    /// <summary>Published in the bundle so that verifiers know it before it signs.</summary>
    Prepared = 1,

    /// <summary>Signs.</summary>
    Active,

    /// <summary>Signs no more; stays in the bundle until what it signed has expired.</summary>
    Old,

    /// <summary>Known to be bad: everything it signed is to be replaced before it is revoked.</summary>
    Tainted,

    /// <summary>Out of the bundle.</summary>
    Revoked,
}
