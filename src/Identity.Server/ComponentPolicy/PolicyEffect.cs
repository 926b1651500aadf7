using Identity.Policy;
using Identity.Server.Ledger;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// What an edit makes of the policy in force at one revision and moment. Compiled and compared when first asked, and once: a change is judged, described and
/// fingerprinted while other changes of policy wait.
/// </summary>
internal sealed class PolicyEffect(ControlPlaneState state, PolicyEdit edit, DateTimeOffset now)
{
    private CapabilityPolicy? _after;
    private AuthorityDifference? _difference;

    public ControlPlaneState State => state;

    public PolicyEdit Edit => edit;

    public DateTimeOffset Now => now;

    public CapabilityPolicy After => _after ??= edit.ApplyTo(state);

    public AuthorityDifference Difference => _difference ??= AuthorityDifference.Between(state.Policy, After, now);
}
