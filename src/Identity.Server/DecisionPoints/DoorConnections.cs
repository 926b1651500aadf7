using System.Net;
using Microsoft.AspNetCore.Connections;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// Connections to one door, from before their TLS. When there are as many as may be, the oldest of whoever holds most of them is cut, not who comes last:
/// otherwise one address that opens them all and says nothing keeps everybody else out.
/// </summary>
/// <param name="maxTogether">Fewer than the listener takes, which would turn away whoever comes.</param>
internal sealed class DoorConnections(int maxTogether)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedList<ConnectionContext>> _byNetwork = new(StringComparer.Ordinal);
    private int _together;

    /// <summary>How many there are now.</summary>
    public int Count
    {
        get { lock (_gate) return _together; }
    }

    public async Task OnConnectionAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var network = RemoteNetwork.Of((connection.RemoteEndPoint as IPEndPoint)?.Address);
        var place = Enter(network, connection, out var cut);
        cut?.Abort(new ConnectionAbortedException("there are as many connections as may be, and most of them come from one network"));
        if (place is null) return;
        try
        {
            await next(connection);
        }
        finally
        {
            Leave(network, place);
        }
    }

    /// <param name="cut">What goes for it; itself when the place is null.</param>
    private LinkedListNode<ConnectionContext>? Enter(string network, ConnectionContext connection, out ConnectionContext? cut)
    {
        lock (_gate)
        {
            cut = null;
            var own = _byNetwork.GetValueOrDefault(network);
            if (_together >= maxTogether)
            {
                var (name, most) = _byNetwork.MaxBy(one => one.Value.Count);
                if (most.Count <= (own?.Count ?? 0) + 1)
                {
                    cut = connection;
                    return null;
                }

                cut = most.First!.Value;
                Forget(name, most, most.First);
            }

            if (own is null) _byNetwork.Add(network, own = new LinkedList<ConnectionContext>());
            _together++;
            return own.AddLast(connection);
        }
    }

    private void Leave(string network, LinkedListNode<ConnectionContext> place)
    {
        lock (_gate)
        {
            if (place.List is { } own) Forget(network, own, place);
        }
    }

    private void Forget(string network, LinkedList<ConnectionContext> connections, LinkedListNode<ConnectionContext> place)
    {
        connections.Remove(place);
        _together--;
        if (connections.Count == 0) _byNetwork.Remove(network);
    }
}
