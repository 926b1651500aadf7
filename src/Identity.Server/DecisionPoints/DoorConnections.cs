using System.Net;
using Microsoft.AspNetCore.Connections;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// Connections to one door, from before their TLS. When there are as many as may be, the oldest of whoever holds most of them is cut, not who comes last:
/// otherwise one address that opens them all and says nothing keeps everybody else out. Those whose holder has proven itself are not among them: ten thousand
/// nodes may come from one address, and none gives way to strangers there.
/// </summary>
/// <param name="maxTogether">Of those who have proven nothing; fewer than the listener takes, which would turn away whoever comes.</param>
internal sealed class DoorConnections(int maxTogether)
{
    /// <summary>Of one that has proven itself; of more the oldest is cut.</summary>
    public const int MaxOfOneProven = 16;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedList<ConnectionContext>> _byNetwork = new(StringComparer.Ordinal);
    private readonly Dictionary<string, LinkedList<ConnectionContext>> _proven = new(StringComparer.Ordinal);
    private int _together;

    /// <summary>How many of those who have proven nothing there are now.</summary>
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
        connection.Features.Set(place);
        try
        {
            await next(connection);
        }
        finally
        {
            Leave(place);
        }
    }

    /// <summary>Counts it among those of its holder from now on. Only the first name counts.</summary>
    public void Prove(DoorPlace place, string name)
    {
        ConnectionContext? cut = null;
        lock (_gate)
        {
            // Cut already, or proven.
            if (place.IsProven || place.Node.List is null) return;
            Leave(place);
            var own = _proven.GetValueOrDefault(name);
            if (own is null) _proven.Add(name, own = new LinkedList<ConnectionContext>());
            if (own.Count >= MaxOfOneProven)
            {
                cut = own.First!.Value;
                own.RemoveFirst();
            }

            own.AddLast(place.Node);
            (place.Owner, place.IsProven) = (name, true);
        }

        cut?.Abort(new ConnectionAbortedException($"one agent has more than {MaxOfOneProven} connections"));
    }

    /// <param name="cut">What goes for it; itself when the place is null.</param>
    private DoorPlace? Enter(string network, ConnectionContext connection, out ConnectionContext? cut)
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
            return new DoorPlace(this, network, own.AddLast(connection));
        }
    }

    private void Leave(DoorPlace place)
    {
        lock (_gate)
        {
            if (place.Node.List is not { } own) return;
            if (!place.IsProven)
            {
                Forget(place.Owner, own, place.Node);
                return;
            }

            own.Remove(place.Node);
            if (own.Count == 0) _proven.Remove(place.Owner);
        }
    }

    private void Forget(string network, LinkedList<ConnectionContext> connections, LinkedListNode<ConnectionContext> place)
    {
        connections.Remove(place);
        _together--;
        if (connections.Count == 0) _byNetwork.Remove(network);
    }
}

/// <summary>One connection's place at its door; a feature of the connection.</summary>
internal sealed class DoorPlace(DoorConnections door, string network, LinkedListNode<ConnectionContext> node)
{
    public LinkedListNode<ConnectionContext> Node => node;

    /// <summary>Its network, or who has proven to hold it. Under the door's lock.</summary>
    public string Owner { get; set; } = network;

    /// <summary>Under the door's lock, but for those who only save themselves the way.</summary>
    public bool IsProven { get; set; }

    /// <summary>Its holder is known to be this by its certificate, for which it has the key.</summary>
    public void Prove(string name)
    {
        if (!IsProven) door.Prove(this, name);
    }
}
