using System.Net;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Sends over connections made with what the Workload API gave last: a new SVID, new bundles, or the end of an SVID on one of them, and the next request goes over a
/// new pool. The old one closes its idle connections at once and the others after their requests. (<see cref="SocketsHttpHandler"/> alone knows one lifetime for all
/// its connections, for good.)
/// </summary>
/// <param name="source">Our identity and whom we trust.</param>
/// <param name="open">Makes a pool. What it is given ends it: to be called when one of its connections should get no new requests.</param>
internal sealed class RotatingHandler(X509Source source, Func<Action, SocketsHttpHandler> open) : HttpMessageHandler
{
    private readonly Lock _lock = new();
    private Pool? _current;
    private bool _isDisposed;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        KeepFromHttp3(request);
        var pool = Enter();
        try
        {
            return await pool.Connections.SendAsync(request, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Leave(pool);
        }
    }

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        KeepFromHttp3(request);
        var pool = Enter();
        try
        {
            return pool.Connections.Send(request, cancellationToken);
        }
        finally
        {
            Leave(pool);
        }
    }

    protected override void Dispose(bool disposing)
    {
        Pool? last;
        lock (_lock)
        {
            _isDisposed = true;
            (last, _current) = (_current, null);
        }

        last?.Connections.Dispose();
        base.Dispose(disposing);
    }

    // QUIC goes round the connection that we make, and so round every check of ours. No server may lead there either (Alt-Svc), so "or higher" is held to what there is.
    private static void KeepFromHttp3(HttpRequestMessage request)
    {
        var policy = request.VersionPolicy;
        if (request.Version.Major >= 3 && policy is not HttpVersionPolicy.RequestVersionOrLower)
        {
            throw new HttpRequestException(
                HttpRequestError.VersionNegotiationError, $"SPIFFE mTLS is not supported over HTTP/{request.Version.Major}; ask for version 2.0 or 1.1");
        }

        if (request.Version.Major < 3 && policy is not HttpVersionPolicy.RequestVersionOrHigher) return;
        request.VersionPolicy = request.Version.Major == 2 ? HttpVersionPolicy.RequestVersionExact : HttpVersionPolicy.RequestVersionOrLower;
        request.Version = HttpVersion.Version20;
    }

    private Pool Enter()
    {
        Pool? over = null;
        try
        {
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_isDisposed, this);

                // What was withdrawn is not used any more (SPIFFE Workload API §5.2), on connections that are open either.
                var problem = FindProblem();
                var context = source.Current;
                if (problem is not null || _current?.MadeFor != context) over = Retire(_current);
                if (problem is not null) throw new HttpRequestException(problem.Message, problem);
                _current ??= Open(context);
                _current.Requests++;
                return _current;
            }
        }
        finally
        {
            over?.Connections.Dispose();
        }
    }

    private void Leave(Pool pool)
    {
        bool isOver;
        lock (_lock) isOver = --pool.Requests == 0 && pool != _current;
        if (isOver) pool.Connections.Dispose();
    }

    private Pool Open(X509Context context)
    {
        Pool pool = null!;
        pool = new Pool(
            open(() =>
            {
                Pool? over;
                lock (_lock) over = pool == _current ? Retire(pool) : null;
                over?.Connections.Dispose();
            }),
            context);
        return pool;
    }

    /// <returns>The pool if nobody is about to send over it: dispose it, which leaves answers that are still being read alone.</returns>
    private Pool? Retire(Pool? pool)
    {
        _current = null;
        return pool?.Requests == 0 ? pool : null;
    }

    private WorkloadApiException? FindProblem()
    {
        try
        {
            _ = source.Svid;
            return null;
        }
        catch (WorkloadApiException e)
        {
            return e;
        }
    }

    private sealed class Pool(SocketsHttpHandler handler, X509Context madeFor)
    {
        public HttpMessageInvoker Connections { get; } = new(handler);

        public X509Context MadeFor => madeFor;

        /// <summary>That were handed to it and have no answer yet.</summary>
        public int Requests { get; set; }
    }
}
