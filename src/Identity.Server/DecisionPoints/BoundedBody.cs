using System.Buffers;
using Microsoft.AspNetCore.Http.Features;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// Bodies of HTTP requests, whole. Whoever reaches a port may begin one: each has a bound of its own and not long to come, all of one caller
/// have one together, and so have all that are on their way.
/// </summary>
/// <remarks>
/// What counts is what has come, not what is announced. When there is no room for more, whoever holds most of it is cut off, not who comes last: to
/// keep a body out, somebody must hold as much as it has under each of so many names that all of them together fill the room.
/// Time is the only measure of haste: Kestrel's least data rate is off on all listeners, because agents' streams are silent for hours. One for these bodies
/// alone would spare little: a slow one holds a page or two for ten seconds, where a rate would bear with it for five.
/// </remarks>
internal sealed class BoundedBody(TimeProvider time, long maxTogether = BoundedBody.MaxTogether, long maxOfOne = BoundedBody.MaxOfOne)
{
    /// <summary>From the first look to the last byte. An API server waits 10 s by default, and 30 at most.</summary>
    public static readonly TimeSpan Within = TimeSpan.FromSeconds(10);

    /// <summary>Bytes of all bodies that are being read.</summary>
    public const long MaxTogether = 64L << 20;

    /// <summary>Of those, bytes of one caller's: two of the longest that any door reads.</summary>
    public const long MaxOfOne = 16L << 20;

    /// <summary>Bytes are held, and counted, by so many.</summary>
    public const int Page = 4096;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Caller> _callers = new(StringComparer.Ordinal);
    private long _together;

    /// <summary>Bytes that are held now.</summary>
    public long Held
    {
        get { lock (_gate) return _together; }
    }

    /// <param name="provenCaller">Who proved itself; null when nobody did. Then whoever comes from one network (<see cref="RemoteNetwork"/>) is one caller.</param>
    /// <param name="patience">How long the caller itself waits, where it says; more than <see cref="Within"/> nobody is given.</param>
    public async Task<ReadBody> ReadAsync(HttpContext call, int maxBytes, string? provenCaller = null, TimeSpan? patience = null)
    {
        var within = patience < Within ? patience.Value : Within;
        if (call.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } bound) bound.MaxRequestBodySize = maxBytes;
        if (call.Request.ContentLength > maxBytes) return TooLong(maxBytes);
        // With a timer of its own, which does no harm when it goes off while it is disposed of.
        using var passed = new CancellationTokenSource(within, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(call.RequestAborted, passed.Token);
        var reading = new Reading(provenCaller ?? RemoteNetwork.Of(call.Connection.RemoteIpAddress), ending);
        try
        {
            while (true)
            {
                var read = await call.Request.BodyReader.ReadAsync(ending.Token);
                var problem = reading.Length + read.Buffer.Length > maxBytes ? TooLong(maxBytes) : Hold(reading, read.Buffer.Length);
                if (problem is null) reading.Take(read.Buffer);

                // Out of the connection's own buffer, so that nothing is held twice, nor beyond the count.
                call.Request.BodyReader.AdvanceTo(read.Buffer.End);
                if (problem is { } told) return told;
                if (read.IsCompleted) return new ReadBody(reading.ToArray(), StatusCodes.Status200OK, "");
            }
        }
        catch (OperationCanceledException) when (!call.RequestAborted.IsCancellationRequested)
        {
            return reading.IsCutOff ? CutOff : new ReadBody(null, StatusCodes.Status408RequestTimeout, $"the body did not come within {within.TotalSeconds:0} s");
        }
        finally
        {
            lock (_gate) Release(reading);
        }
    }

    private static ReadBody CutOff { get; } =
        new(null, StatusCodes.Status429TooManyRequests, "too much is being sent at once, and this caller sends most of it; send it one after the other");

    private ReadBody? Hold(Reading reading, long more)
    {
        List<Reading> cutOff = [];
        try
        {
            lock (_gate) return FindProblem(reading, reading.PagesFor(more) * Page, cutOff);
        }
        finally
        {
            foreach (var other in cutOff) other.End();
        }
    }

    private ReadBody? FindProblem(Reading reading, long grown, List<Reading> cutOff)
    {
        if (reading.IsCutOff) return CutOff;

        // Only those are known whose bodies are being read, so that nobody fills the table either.
        if (!_callers.TryGetValue(reading.Caller, out var caller)) _callers.Add(reading.Caller, caller = new Caller());
        caller.Readings.Add(reading);
        (reading.Held, caller.Held, _together) = (reading.Held + grown, caller.Held + grown, _together + grown);
        if (caller.Held > maxOfOne) return new ReadBody(null, StatusCodes.Status429TooManyRequests, "this caller sends too much at once; send it one after the other");
        while (_together > maxTogether)
        {
            var most = _callers.Values.MaxBy(one => one.Held)!;
            if (most.Held <= caller.Held) return new ReadBody(null, StatusCodes.Status503ServiceUnavailable, "too much is being asked at once; ask again");
            var largest = most.Readings.MaxBy(one => one.Held)!;
            largest.IsCutOff = true;
            cutOff.Add(largest);
            Release(largest);
        }

        return null;
    }

    private void Release(Reading reading)
    {
        if (!_callers.TryGetValue(reading.Caller, out var caller) || !caller.Readings.Remove(reading)) return;
        (caller.Held, _together) = (caller.Held - reading.Held, _together - reading.Held);
        if (caller.Readings.Count == 0) _callers.Remove(reading.Caller);
    }

    private static ReadBody TooLong(int maxBytes) => new(null, StatusCodes.Status413PayloadTooLarge, $"the body has more than {maxBytes} bytes");

    private sealed class Caller
    {
        public long Held { get; set; }

        public HashSet<Reading> Readings { get; } = [];
    }

    private sealed class Reading(string caller, CancellationTokenSource ending)
    {
        private readonly List<byte[]> _pages = [];

        public string Caller => caller;

        public long Length { get; private set; }

        public long Held { get; set; }

        public bool IsCutOff { get; set; }

        /// <summary>How many pages it needs for so many bytes more.</summary>
        public long PagesFor(long more) => ((Length + more + Page - 1) / Page) - _pages.Count;

        public void Take(in ReadOnlySequence<byte> bytes)
        {
            foreach (var segment in bytes)
            {
                for (var rest = segment.Span; rest.Length > 0;)
                {
                    var at = (int)(Length % Page);
                    if (at == 0) _pages.Add(new byte[Page]);
                    var count = Math.Min(rest.Length, Page - at);
                    rest[..count].CopyTo(_pages[^1].AsSpan(at));
                    rest = rest[count..];
                    Length += count;
                }
            }
        }

        public byte[] ToArray()
        {
            var body = new byte[Length];
            for (var at = 0; at < _pages.Count; at++) _pages[at].AsSpan(0, (int)Math.Min(Page, Length - ((long)at * Page))).CopyTo(body.AsSpan(at * Page));
            return body;
        }

        public void End()
        {
            try
            {
                ending.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // It has ended by itself.
            }
        }
    }
}

/// <param name="Bytes">Null when it was not read; then <paramref name="Status"/> and <paramref name="Problem"/> say why.</param>
internal readonly record struct ReadBody(byte[]? Bytes, int Status, string Problem);
