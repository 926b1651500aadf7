using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Identity.Server.Ledger;

/// <summary>Tells every watcher the newest state. A slow watcher misses steps, never the newest, and delays nobody.</summary>
internal sealed class StateWatchers
{
    private readonly Lock _gate = new();
    private readonly HashSet<Channel<ControlPlaneState>> _channels = [];
    private ControlPlaneState _newest;
    private bool _closed;

    public StateWatchers(ControlPlaneState state) => _newest = state;

    public ControlPlaneState Newest => Volatile.Read(ref _newest);

    public void Publish(ControlPlaneState state)
    {
        lock (_gate)
        {
            Volatile.Write(ref _newest, state);
            foreach (var channel in _channels)
            {
                channel.Writer.TryWrite(state);
            }
        }
    }

    /// <summary>The current state first, then the newest after each change, until cancelled or closed.</summary>
    public async IAsyncEnumerable<ControlPlaneState> WatchAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        var channel = Channel.CreateBounded<ControlPlaneState>(new BoundedChannelOptions(1)
        {
            FullMode = BoundedChannelFullMode.DropOldest,
            SingleReader = true,
            AllowSynchronousContinuations = false,
        });
        lock (_gate)
        {
            channel.Writer.TryWrite(_newest);
            if (_closed)
            {
                channel.Writer.Complete();
            }
            _channels.Add(channel);
        }
        try
        {
            await foreach (var state in channel.Reader.ReadAllAsync(cancellation))
            {
                yield return state;
            }
        }
        finally
        {
            lock (_gate)
            {
                _channels.Remove(channel);
            }
        }
    }

    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            foreach (var channel in _channels)
            {
                channel.Writer.TryComplete();
            }
        }
    }
}
