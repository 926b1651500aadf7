using System.Buffers;
using Microsoft.AspNetCore.Http.Features;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// Bodies of HTTP requests, whole. Whoever reaches a port may begin one: each has a bound of its own and not long to come, and all that are
/// on their way have one together.
/// </summary>
internal sealed class BoundedBody(TimeProvider time)
{
    /// <summary>From the first look to the last byte. An API server waits 10 s by default, and 30 at most.</summary>
    public static readonly TimeSpan Within = TimeSpan.FromSeconds(10);

    /// <summary>Bytes of all bodies that are being read.</summary>
    public const long MaxTogether = 64L << 20;

    private long _together;

    public async Task<ReadBody> ReadAsync(HttpContext call, int maxBytes)
    {
        if (call.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } bound) bound.MaxRequestBodySize = maxBytes;
        if (call.Request.ContentLength > maxBytes) return TooLong(maxBytes);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(call.RequestAborted);
        using var timer = time.CreateTimer(_ => ending.Cancel(), null, Within, Timeout.InfiniteTimeSpan);
        long held = 0;
        try
        {
            while (true)
            {
                var read = await call.Request.BodyReader.ReadAsync(ending.Token);
                var grown = read.Buffer.Length - held;
                held += grown;
                if (Interlocked.Add(ref _together, grown) > MaxTogether)
                    return new ReadBody(null, StatusCodes.Status503ServiceUnavailable, "too much is being asked at once; ask again");
                if (read.Buffer.Length > maxBytes) return TooLong(maxBytes);
                if (read.IsCompleted)
                {
                    var body = read.Buffer.ToArray();
                    call.Request.BodyReader.AdvanceTo(read.Buffer.End);
                    return new ReadBody(body, StatusCodes.Status200OK, "");
                }

                call.Request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            }
        }
        catch (OperationCanceledException) when (!call.RequestAborted.IsCancellationRequested)
        {
            return new ReadBody(null, StatusCodes.Status408RequestTimeout, $"the body did not come within {Within.TotalSeconds:0} s");
        }
        finally
        {
            Interlocked.Add(ref _together, -held);
        }
    }

    private static ReadBody TooLong(int maxBytes) => new(null, StatusCodes.Status413PayloadTooLarge, $"the body has more than {maxBytes} bytes");
}

/// <param name="Bytes">Null when it was not read; then <paramref name="Status"/> and <paramref name="Problem"/> say why.</param>
internal readonly record struct ReadBody(byte[]? Bytes, int Status, string Problem);
