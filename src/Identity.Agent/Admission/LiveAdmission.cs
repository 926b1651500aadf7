using Identity.Agent.ControlPlane;
using Spiffe.Net;

namespace Identity.Agent.Admission;

/// <summary>One admission that holds now. It belongs to the host whose call it was made on.</summary>
internal sealed class LiveAdmission(string id, SpiffeId host, AuthorizedEntry entry) : IDisposable
{
    private readonly CancellationTokenSource _ended = new();

    public string Id => id;

    public SpiffeId Host => host;

    /// <summary>Whose identity the component has. An admission ends when its entry changes.</summary>
    public AuthorizedEntry Entry => entry;

    /// <summary>Cancelled when the admission is over; everything given out under it stops then.</summary>
    public CancellationToken Ended => _ended.Token;

    public void End() => _ended.Cancel();

    public void Dispose() => _ended.Dispose();
}
