using Identity.WasmHost.WorkerProtocol;
using NATS.Client.Core;

namespace Identity.WasmHost.Workers;

/// <summary>What came back for a request; <paramref name="Problem"/> is null when something did.</summary>
internal sealed record NatsReply(string? Problem, string Subject, byte[] Body, string? ReplyTo);

/// <summary>
/// The one NATS connection of a component, logged in with the component's own JWT-SVID, fresh for every connect. It is open as long as the
/// component is admitted, whether or not the guest publishes.
/// </summary>
internal sealed class NatsPublisher : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly NatsServerTls server;
    private readonly NatsConnection connection;
    private readonly NatsHeaders? headers;
    private readonly SemaphoreSlim publishing = new(1, 1);
    private volatile string? refusal;

    public NatsPublisher(NatsAccess access, string name, string? traceparent, TokenRequests tokens, TimeProvider time, Action<NatsChanged> report)
    {
        headers = traceparent is null ? null : new NatsHeaders { ["traceparent"] = traceparent };
        server = new NatsServerTls(access, time);
        connection = new NatsConnection(NatsOpts.Default with
        {
            Url = access.Url,
            Name = name,
            InboxPrefix = access.InboxPrefix ?? NatsOpts.Default.InboxPrefix,
            TlsOpts = server.Options,
            AuthOpts = new NatsAuthOpts { AuthCredCallback = async (_, cancellation) => await LogInAsync(tokens, access.Audience, cancellation) },
            LoggerFactory = new NatsErrorTap(error => refusal = error),
            // An authority that is away for a moment looks like a refusal; giving up for good would outlast it.
            IgnoreAuthErrorAbort = true,
            ConnectTimeout = Patience,
            RequestTimeout = Patience,
            CommandTimeout = Patience,
            ReconnectWaitMin = TimeSpan.FromMilliseconds(100),
            ReconnectWaitMax = TimeSpan.FromSeconds(5),
            MaxReconnectRetry = -1,
        });
        connection.ConnectionOpened += (_, _) => Tell(new NatsChanged { IsConnected = true });
        connection.ConnectionDisconnected += (_, _) => Tell(new NatsChanged { IsConnected = false });

        ValueTask Tell(NatsChanged change)
        {
            report(change);
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>
    /// Connects, trying again with growing pauses: right after an admission the control plane may not have heard of it yet. Null when
    /// connected, else the last problem.
    /// </summary>
    public async Task<string?> ConnectAsync(TimeProvider time, CancellationToken cancellation)
    {
        var pause = TimeSpan.FromMilliseconds(50);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await connection.ConnectAsync().AsTask().WaitAsync(cancellation);
                return null;
            }
            catch (NatsException e) when (attempt < 8)
            {
                refusal = e.InnerException?.Message ?? e.Message;
                await Task.Delay(pause, time, cancellation);
                pause *= 2;
            }
            catch (NatsException e)
            {
                return server.Problem ?? e.InnerException?.Message ?? e.Message;
            }
        }
    }

    /// <summary>Null when nats-server took the message, else why not.</summary>
    public async Task<string?> PublishAsync(string subject, byte[] body, string? replyTo)
    {
        // One at a time: nats-server says what it refused, not which message that was.
        await publishing.WaitAsync();
        try
        {
            refusal = null;
            using var timeout = new CancellationTokenSource(Patience);
            await connection.PublishAsync(subject, body, Headers(), replyTo, NatsRawSerializer<byte[]>.Default, cancellationToken: timeout.Token);
            // The server handles PUB before PING on one connection: a refusal is here before the PONG.
            await connection.PingAsync(timeout.Token);
            return refusal is { } text ? Explain(text) : null;
        }
        catch (OperationCanceledException)
        {
            return "not connected to NATS: no answer in time";
        }
        catch (Exception e) when (e is NatsException or ArgumentException or InvalidOperationException or ObjectDisposedException)
        {
            return $"not published: {e.Message}";
        }
        finally
        {
            publishing.Release();
        }
    }

    public async Task<NatsReply> RequestAsync(string subject, byte[] body, TimeSpan timeout)
    {
        await publishing.WaitAsync();
        try
        {
            refusal = null;
            var reply = await connection.RequestAsync(
                subject, body, Headers(), NatsRawSerializer<byte[]>.Default, NatsRawSerializer<byte[]>.Default, replyOpts: new NatsSubOpts { Timeout = timeout });
            return new NatsReply(null, reply.Subject, reply.Data ?? [], reply.ReplyTo);
        }
        catch (Exception e) when (e is NatsException or ArgumentException or InvalidOperationException or OperationCanceledException or ObjectDisposedException)
        {
            return new NatsReply(refusal is { } text ? Explain(text) : $"no reply: {e.Message}", "", [], null);
        }
        finally
        {
            publishing.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync();
        publishing.Dispose();
    }

    private static async Task<NatsAuthCred> LogInAsync(TokenRequests tokens, string audience, CancellationToken cancellation)
    {
        var answer = await tokens.AskAsync(audience, cancellation);
        return NatsAuthCred.FromToken(answer.Token ?? throw new NatsException($"no token for NATS: {answer.Problem}"));
    }

    private static string Explain(string error) =>
        error.StartsWith("Permissions Violation", StringComparison.OrdinalIgnoreCase) ? $"permission denied by nats-server: {error}" : error;

    // The client marks headers read-only once sent; each message gets its own.
    private NatsHeaders? Headers() => headers is null ? null : new NatsHeaders { ["traceparent"] = headers["traceparent"] };
}
