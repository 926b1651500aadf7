using System.Diagnostics;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Health.V1;
using Spiffe.WorkloadApi.V1;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>Many open streams, each of which notes when its newest answer came.</summary>
internal sealed class OpenStreams : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly List<UnixChannel> _channels = [];
    private readonly List<Reader> _readers = [];
    private readonly CancellationTokenSource _closing = new();

    private OpenStreams()
    {
    }

    /// <summary>X509-SVID streams; returns when each has had an answer of one identity.</summary>
    public static Task<OpenStreams> OpenAsync(string socket, int connections, int streamsEach) => OpenAsync(socket, connections, streamsEach, SvidsAsync);

    /// <summary>Watches of the agent's health, which ask nobody who they are; returns when each has had its answer.</summary>
    public static Task<OpenStreams> OpenHealthAsync(string socket, int connections, int streamsEach) => OpenAsync(socket, connections, streamsEach, HealthAsync);

    private static async Task<OpenStreams> OpenAsync(string socket, int connections, int streamsEach, Answers answers)
    {
        var opened = new OpenStreams();
        // A hundred connections at once: who opens ten thousand in one go waits for the queue of the socket.
        foreach (var some in Enumerable.Range(0, connections).Chunk(100))
        {
            var channels = some.Select(_ => new UnixChannel(socket)).ToArray();
            opened._channels.AddRange(channels);
            var readers = channels.SelectMany(channel => Enumerable.Range(0, streamsEach).Select(_ => new Reader(answers(channel, opened._closing.Token)))).ToArray();
            opened._readers.AddRange(readers);
            await Task.WhenAll(readers.Select(reader => reader.HasAsync(1))).WaitAsync(Patience);
        }

        opened.DemandOpen(connections * streamsEach);
        return opened;
    }

    /// <summary>When each stream had an answer of so many identities, as <see cref="Stopwatch"/> ticks. A stream that never has is an error, not a figure left out.</summary>
    public Task<long[]> AllHaveAsync(int identities) => Task.WhenAll(_readers.Select(reader => reader.HasAsync(identities))).WaitAsync(Patience);

    /// <summary>Throws unless exactly so many streams are open: answered once at least, and not ended by either side.</summary>
    public void DemandOpen(int streams)
    {
        var open = _readers.Count(reader => reader.IsOpen);
        if (open != streams || _readers.Count != streams) throw new InvalidOperationException($"{open} of {streams} streams are open");
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        foreach (var reader in _readers) await reader.EndAsync();
        foreach (var channel in _channels) channel.Dispose();
        _closing.Dispose();
    }

    private static async IAsyncEnumerable<int> SvidsAsync(UnixChannel channel, [EnumeratorCancellation] CancellationToken closing)
    {
        using var call = channel.Workload.FetchX509SVID(new X509SVIDRequest(), UnixChannel.Header, cancellationToken: closing);
        while (await call.ResponseStream.MoveNext(closing)) yield return call.ResponseStream.Current.Svids.Count;
    }

    private static async IAsyncEnumerable<int> HealthAsync(UnixChannel channel, [EnumeratorCancellation] CancellationToken closing)
    {
        using var call = new Health.HealthClient(channel.Channel).Watch(new HealthCheckRequest(), cancellationToken: closing);
        while (await call.ResponseStream.MoveNext(closing)) yield return 1;
    }

    /// <summary>One stream, as the number of identities in each of its answers.</summary>
    private delegate IAsyncEnumerable<int> Answers(UnixChannel channel, CancellationToken closing);

    private sealed class Reader
    {
        private readonly Lock _lock = new();
        private readonly Task _reading;
        private (int Identities, long At) _newest;
        private (int Identities, TaskCompletionSource<long> Reached)? _waiting;
        private Exception? _ended;

        public Reader(IAsyncEnumerable<int> answers) => _reading = ReadAsync(answers);

        public bool IsOpen
        {
            get
            {
                lock (_lock) return _newest.Identities > 0 && _ended is null;
            }
        }

        public Task<long> HasAsync(int identities)
        {
            lock (_lock)
            {
                if (_ended is not null) return Task.FromException<long>(_ended);
                if (_newest.Identities == identities) return Task.FromResult(_newest.At);
                var reached = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
                _waiting = (identities, reached);
                return reached.Task;
            }
        }

        public Task EndAsync() => _reading;

        private async Task ReadAsync(IAsyncEnumerable<int> answers)
        {
            try
            {
                await foreach (var identities in answers) Note(identities, Stopwatch.GetTimestamp());
                End(new InvalidOperationException("the agent ended a stream"));
            }
            catch (Exception e) when (e is RpcException or OperationCanceledException)
            {
                End(e);
            }
        }

        private void Note(int identities, long at)
        {
            lock (_lock)
            {
                _newest = (identities, at);
                if (_waiting is not { } waiting || waiting.Identities != identities) return;
                _waiting = null;
                waiting.Reached.TrySetResult(at);
            }
        }

        private void End(Exception why)
        {
            lock (_lock)
            {
                _ended = why;
                _waiting?.Reached.TrySetException(why);
            }
        }
    }
}
