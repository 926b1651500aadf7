using System.Diagnostics;
using Grpc.Core;
using Spiffe.WorkloadApi.V1;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>Many open X509-SVID streams, each of which notes when its newest answer came.</summary>
internal sealed class OpenStreams : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly List<UnixChannel> _channels = [];
    private readonly List<Reader> _readers = [];
    private readonly CancellationTokenSource _closing = new();

    private OpenStreams()
    {
    }

    public static async Task<OpenStreams> OpenAsync(string socket, int connections, int streamsEach)
    {
        var opened = new OpenStreams();
        // A hundred connections at once: who opens ten thousand in one go waits for the queue of the socket.
        foreach (var some in Enumerable.Range(0, connections).Chunk(100))
        {
            var channels = some.Select(_ => new UnixChannel(socket)).ToArray();
            opened._channels.AddRange(channels);
            var readers = channels.SelectMany(channel => Enumerable.Range(0, streamsEach).Select(_ => new Reader(channel, opened._closing.Token))).ToArray();
            opened._readers.AddRange(readers);
            await Task.WhenAll(readers.Select(reader => reader.HasAsync(1)));
        }

        return opened;
    }

    /// <summary>When each stream had an answer of so many identities, as <see cref="Stopwatch"/> ticks.</summary>
    public Task<long[]> AllHaveAsync(int identities) => Task.WhenAll(_readers.Select(reader => reader.HasAsync(identities))).WaitAsync(Patience);

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        foreach (var reader in _readers) await reader.EndAsync();
        foreach (var channel in _channels) channel.Dispose();
        _closing.Dispose();
    }

    private sealed class Reader
    {
        private readonly Lock _lock = new();
        private readonly Task _reading;
        private (int Identities, long At) _newest;
        private (int Identities, TaskCompletionSource<long> Reached)? _waiting;

        public Reader(UnixChannel channel, CancellationToken closing) => _reading = ReadAsync(channel, closing);

        public Task<long> HasAsync(int identities)
        {
            lock (_lock)
            {
                if (_reading.IsFaulted) return Task.FromException<long>(_reading.Exception);
                if (_newest.Identities == identities) return Task.FromResult(_newest.At);
                var reached = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
                _waiting = (identities, reached);
                return reached.Task;
            }
        }

        public async Task EndAsync()
        {
            try
            {
                await _reading;
            }
            catch (Exception e) when (e is RpcException or OperationCanceledException)
            {
                // As told.
            }
        }

        private async Task ReadAsync(UnixChannel channel, CancellationToken closing)
        {
            using var call = channel.Workload.FetchX509SVID(new X509SVIDRequest(), UnixChannel.Header, cancellationToken: closing);
            try
            {
                while (await call.ResponseStream.MoveNext(closing))
                {
                    lock (_lock)
                    {
                        _newest = (call.ResponseStream.Current.Svids.Count, Stopwatch.GetTimestamp());
                        if (_waiting is { } waiting && waiting.Identities == _newest.Identities)
                        {
                            _waiting = null;
                            waiting.Reached.TrySetResult(_newest.At);
                        }
                    }
                }
            }
            catch (Exception e) when (!closing.IsCancellationRequested)
            {
                lock (_lock) _waiting?.Reached.TrySetException(e);
                throw;
            }
        }
    }
}
