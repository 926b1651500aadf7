using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Spiffe.Net;

namespace Identity.Server.ComponentPolicy;

/// <summary>What one watcher has not yet been told. A set, so that it is no larger than the number of components, however slow the watcher.</summary>
internal sealed class EndedAdmissions
{
    private readonly Lock _gate = new();
    private readonly Channel<bool> _bell = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private HashSet<SpiffeId> _pending = [];

    public void Add(SpiffeId id)
    {
        lock (_gate) _pending.Add(id);
        _bell.Writer.TryWrite(true);
    }

    public async IAsyncEnumerable<SpiffeId> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var _ in _bell.Reader.ReadAllAsync(cancellation))
        {
            foreach (var id in Take()) yield return id;
        }
    }

    private HashSet<SpiffeId> Take()
    {
        lock (_gate)
        {
            var taken = _pending;
            _pending = [];
            return taken;
        }
    }
}
