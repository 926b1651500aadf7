using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Identity.Agent;

/// <summary>Tells open streams that something they depend on moved: entries, bundle, policy or an SVID. They look for themselves at what.</summary>
internal sealed class ChangeFeed
{
    private ImmutableArray<Channel<bool>> _watchers = [];

    public void Signal()
    {
        foreach (var watcher in _watchers) watcher.Writer.TryWrite(true);
    }

    /// <summary>Yields once at once, then after each change; changes that come while the reader is busy become one.</summary>
    public async IAsyncEnumerable<bool> WatchAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        var channel = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        channel.Writer.TryWrite(true);
        ImmutableInterlocked.Update(ref _watchers, static (all, one) => all.Add(one), channel);
        try
        {
            await foreach (var change in channel.Reader.ReadAllAsync(cancellation)) yield return change;
        }
        finally
        {
            ImmutableInterlocked.Update(ref _watchers, static (all, one) => all.Remove(one), channel);
        }
    }
}
