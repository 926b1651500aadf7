using Identity.V1;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>What this room asks of the rest of the control plane.</summary>
internal interface INatsLoginBackend
{
    /// <summary>The newest view, without I/O.</summary>
    LoginFacts Facts { get; }

    /// <summary>Keeps the decision for `identity why` and gives it its id.</summary>
    string Record(Decision decision);

    /// <summary>Completes when the intent is durable: only then may the signature leave.</summary>
    Task RecordIssuanceAsync(IssuanceRecord intent, CancellationToken cancellation);

    /// <summary>A JWT-SVID of this server's own NATS identity, through the one door that signs them.</summary>
    Task<string> MintOwnTokenAsync(SpiffeId id, string audience, CancellationToken cancellation);

    /// <summary>Identities whose sessions must end, as that becomes true; the view in <see cref="Facts"/> has changed before.</summary>
    IAsyncEnumerable<SpiffeId> WatchEndedAsync(CancellationToken cancellation);

    /// <summary>The view now, then after each change that may turn a login's answer. A slow reader misses steps, never the newest.</summary>
    IAsyncEnumerable<LoginFacts> WatchFactsAsync(CancellationToken cancellation);
}
