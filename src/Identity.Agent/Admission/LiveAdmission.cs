using Identity.Agent.ControlPlane;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Agent.Admission;

/// <summary>One admission that holds now. It belongs to the host whose call it was made on.</summary>
internal sealed class LiveAdmission(string id, SpiffeId host, AuthorizedEntry entry, ComponentDigest digest, VerifiedSigners signers) : IDisposable
{
    private static long _count;

    private readonly Principal _unsigned = Principal.Component(entry.SpiffeId, digest, host);
    private readonly CancellationTokenSource _ended = new();

    public string Id => id;

    /// <summary>Of this process, from 1; never used again.</summary>
    public long Number { get; } = Interlocked.Increment(ref _count);

    public SpiffeId Host => host;

    /// <summary>Whose identity the component has. An admission ends when its entry changes.</summary>
    public AuthorizedEntry Entry => entry;

    /// <summary>Whom this policy speaks of: it says whose signatures are looked for.</summary>
    public Principal PrincipalUnder(CapabilityPolicy policy) => signers.Tell(_unsigned, policy.SignerKeys);

    /// <summary>Cancelled when the admission is over; everything given out under it stops then.</summary>
    public CancellationToken Ended => _ended.Token;

    public void End() => _ended.Cancel();

    public void Dispose() => _ended.Dispose();
}
