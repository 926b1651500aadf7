namespace Identity.Server.DecisionPoints;

/// <summary>How and by whom a question came.</summary>
/// <param name="AskedBy">Who asked, as far as it was established: a SPIFFE ID or <c>admin:uid=…</c>. Empty when nobody can tell.</param>
/// <param name="IsDryRun">Nothing may come of it: no record, no count.</param>
internal readonly record struct Asking(DoorName Door, string AskedBy = "", bool IsDryRun = false)
{
    /// <summary>
    /// Whether the door let in only who proved itself and was named by an operator. What others ask is answered, recorded and counted, and
    /// has no effect on anything else: they may ask whatever they like about whomever they like.
    /// </summary>
    public bool IsProven { get; init; } = Door is DoorName.Grpc or DoorName.AuthZen;
}
