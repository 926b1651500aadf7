using System.Buffers;
using Identity.Agent.Admission;
using Identity.Agent.ControlPlane;
using Identity.Policy;
using Identity.V1;
using Spiffe.Net;
using Decision = Identity.Policy.Decision;

namespace Identity.Benchmarks.ComponentPolicy;

/// <summary>What the agent itself makes of a snapshot, by its own code: it reads all of it, follows the policy from what it held, and decides about a start.</summary>
internal sealed class DecidingView
{
    public const string Component = "spiffe://example.org/components/turn";
    public const string Import = "wasi:io/poll@0.2.0";

    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");

    private static readonly ComponentStart Start = new(
        SpiffeId.Parse(Component), SpiffeId.Parse("spiffe://example.org/hosts/local"), ComponentDigest.Of("turn"u8), "turn",
        new ComponentImports([new ComponentImport(Import, ImportKind.Instance, ["poll"])]));

    private HeldPolicy _held = HeldPolicy.None;

    /// <summary>Whether the component may start now.</summary>
    public bool Follow(ReadOnlySequence<byte> message)
    {
        var now = TimeProvider.System.GetUtcNow();
        if (!ControlPlaneView.TryRead(Snapshot.Parser.ParseFrom(message), TrustDomain, _held, now, out var view, out _, out var problem))
            throw new InvalidOperationException($"the snapshot was refused: {problem}");
        _held = view.Held;
        return CallDoor.Decide(view.Policy, Start, called: null, now) is Decision.Admitted;
    }
}
