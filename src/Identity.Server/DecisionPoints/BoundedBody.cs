using System.Buffers;
using Microsoft.AspNetCore.Http.Features;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// Bodies of HTTP requests, whole. Whoever reaches a port may begin one: each has a bound of its own and not long to come, all of one caller
/// have one together, and so have all that are on their way. Time is the only measure of haste here: Kestrel's least data rate is off on
/// all listeners, because agents' streams are silent for hours.
/// </summary>
internal sealed class BoundedBody(TimeProvider time)
{
    /// <summary>From the first look to the last byte. An API server waits 10 s by default, and 30 at most.</summary>
    public static readonly TimeSpan Within = TimeSpan.FromSeconds(10);

    /// <summary>Bytes of all bodies that are being read.</summary>
    public const long MaxTogether = 64L << 20;

    /// <summary>Of those, bytes of one caller's: two of the longest that any door reads.</summary>
    public const long MaxOfOne = 16L << 20;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, long> _byCaller = new(StringComparer.Ordinal);
    private long _together;

    /// <param name="provenCaller">Who proved itself; null when nobody did. Then whoever comes from one network (<see cref="RemoteNetwork"/>) is one caller.</param>
    public async Task<ReadBody> ReadAsync(HttpContext call, int maxBytes, string? provenCaller = null)
    {
        if (call.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } bound) bound.MaxRequestBodySize = maxBytes;
        if (call.Request.ContentLength > maxBytes) return TooLong(maxBytes);
        var caller = provenCaller ?? RemoteNetwork.Of(call.Connection.RemoteIpAddress);
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
                if (FindProblem(caller, grown) is { } full) return full;
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
            Hold(caller, -held);
        }
    }

    private ReadBody? FindProblem(string caller, long grown)
    {
        var (ofOne, together) = Hold(caller, grown);
        if (ofOne > MaxOfOne) return new ReadBody(null, StatusCodes.Status429TooManyRequests, "this caller sends too much at once; send it one after the other");
        return together > MaxTogether ? new ReadBody(null, StatusCodes.Status503ServiceUnavailable, "too much is being asked at once; ask again") : null;
    }

    // Only those are known whose bodies are being read, so that nobody fills the table either.
    private (long OfOne, long Together) Hold(string caller, long grown)
    {
        lock (_gate)
        {
            var ofOne = _byCaller.GetValueOrDefault(caller) + grown;
            if (ofOne > 0) _byCaller[caller] = ofOne;
            else _byCaller.Remove(caller);
            return (ofOne, _together += grown);
        }
    }

    private static ReadBody TooLong(int maxBytes) => new(null, StatusCodes.Status413PayloadTooLarge, $"the body has more than {maxBytes} bytes");
}

/// <param name="Bytes">Null when it was not read; then <paramref name="Status"/> and <paramref name="Problem"/> say why.</param>
internal readonly record struct ReadBody(byte[]? Bytes, int Status, string Problem);
