using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Identity.Tests.WorkloadApi;

/// <summary>Passes connections on to another port and notes who would resume a TLS 1.3 session: what each ClientHello offers, and what each ServerHello takes.</summary>
internal sealed class HelloRelay : IAsyncDisposable
{
    // RFC 8446 §4.2.11: the extension that offers a session to resume, and in the answer takes it.
    private const int PreSharedKey = 41;

    private const byte ServerHello = 2;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<bool> _offersToResume = [];
    private readonly List<bool> _resumed = [];
    private readonly Task _running;

    public HelloRelay(int targetPort)
    {
        _listener.Start();
        _running = RunAsync(targetPort);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>For each connection so far, whether it offered to resume a session.</summary>
    public IReadOnlyList<bool> OffersToResume
    {
        get
        {
            lock (_offersToResume) return [.. _offersToResume];
        }
    }

    /// <summary>For each answer so far, whether it resumed a session.</summary>
    public IReadOnlyList<bool> Resumed
    {
        get
        {
            lock (_resumed) return [.. _resumed];
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Dispose();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task RunAsync(int targetPort)
    {
        var connections = new List<Task>();
        try
        {
            while (true) connections.Add(PassAsync(await _listener.AcceptTcpClientAsync(_stopping.Token), targetPort));
        }
        finally
        {
            await Task.WhenAll(connections).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task PassAsync(TcpClient near, int targetPort)
    {
        using var closing = near;
        using var far = new TcpClient();
        await far.ConnectAsync(IPAddress.Loopback, targetPort, _stopping.Token);
        var (from, to) = (near.GetStream(), far.GetStream());

        var hello = await PassRecordAsync(from, to);
        lock (_offersToResume) _offersToResume.Add(Extensions(hello, isClient: true).Contains(PreSharedKey));
        var answer = await PassRecordAsync(to, from);
        lock (_resumed) _resumed.Add(answer[0] == ServerHello && Extensions(answer, isClient: false).Contains(PreSharedKey));
        await Task.WhenAny(from.CopyToAsync(to, _stopping.Token), to.CopyToAsync(from, _stopping.Token));
    }

    // A TLS record: type, version, length; then the handshake message.
    private async Task<byte[]> PassRecordAsync(NetworkStream from, NetworkStream to)
    {
        var header = new byte[5];
        await from.ReadExactlyAsync(header, _stopping.Token);
        var body = new byte[BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(3))];
        await from.ReadExactlyAsync(body, _stopping.Token);
        await to.WriteAsync(header, _stopping.Token);
        await to.WriteAsync(body, _stopping.Token);
        return body;
    }

    // RFC 8446 §4.1.2 and §4.1.3: a client lists cipher suites and compressions, a server names one of each.
    private static List<int> Extensions(ReadOnlySpan<byte> hello, bool isClient)
    {
        var rest = hello[(4 + 2 + 32)..];
        rest = rest[(1 + rest[0])..];
        rest = isClient ? rest[(2 + BinaryPrimitives.ReadUInt16BigEndian(rest))..] : rest[2..];
        rest = isClient ? rest[(1 + rest[0])..] : rest[1..];
        rest = rest.Slice(2, BinaryPrimitives.ReadUInt16BigEndian(rest));
        var found = new List<int>();
        while (!rest.IsEmpty)
        {
            found.Add(BinaryPrimitives.ReadUInt16BigEndian(rest));
            rest = rest[(4 + BinaryPrimitives.ReadUInt16BigEndian(rest[2..]))..];
        }

        return found;
    }
}
