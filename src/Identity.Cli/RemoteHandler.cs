using Spiffe.Net;
using Spiffe.Net.WorkloadApi;

namespace Identity.Cli;

/// <summary>
/// Asks the server over the network, as whoever this process is at the Workload API: mutual TLS both ways, the server known by its SPIFFE ID. The identity is fetched
/// with the first request, so that a command that asks nothing needs none.
/// </summary>
internal sealed class RemoteHandler : HttpMessageHandler
{
    // A person waits for it.
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _turn = new(1);
    private X509Source? _source;
    private HttpMessageInvoker? _invoker;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            _source ??= await X509Source.CreateAsync(new WorkloadApiClientOptions { StartTimeout = StartTimeout }, cancellation: cancellationToken);
            _invoker ??= new HttpMessageInvoker(SpiffeTls.CreateHandler(
                _source, AuthorizedPeers.Exactly(SpiffeId.FromSegments(_source.Svid.Id.TrustDomain, "spire", "server"))));
        }
        catch (WorkloadApiException e)
        {
            throw new HttpRequestException(e.Message, e);
        }
        finally
        {
            _turn.Release();
        }

        return await _invoker.SendAsync(request, cancellationToken);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _invoker?.Dispose();
            _ = _source?.DisposeAsync().AsTask();
            _turn.Dispose();
        }

        base.Dispose(disposing);
    }
}
