using Identity.Policy;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// One side, publish or subscribe, of a user JWT. nats-server reads an empty side as "everything", so no empty side can be made.
/// </summary>
internal sealed class SubjectRights
{
    private SubjectRights(IReadOnlyList<string> allow, IReadOnlyList<string> deny)
    {
        if (allow.Count == 0 && deny.Count == 0) deny = [">"];
        Allow = allow;
        Deny = deny;
    }

    public IReadOnlyList<string> Allow { get; }

    /// <summary>Beats <see cref="Allow"/>.</summary>
    public IReadOnlyList<string> Deny { get; }

    public static SubjectRights Only(params IReadOnlyList<string> subjects) => new(subjects, []);

    public static SubjectRights From(NatsSide side) => new(side.Allow, side.Deny);
}
