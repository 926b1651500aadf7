namespace Identity.Policy;

/// <summary>The one door: may this component start, and with what?</summary>
public static class ComponentAdmission
{
    public static Decision Decide(CapabilityPolicy policy, ComponentStart start, DateTimeOffset now) =>
        new Decision.Denied(new Explanation(
            start.Id.ToString(), [new Refusal("start", RefusalReason.NotGranted, "no rule permits it")], SmallestGrant: null));
}
