using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Identity.Policy.Tests.Nats;

/// <summary>Speaks the protocol of NATS by hand, as an attacker would: whatever it asks for is sent.</summary>
internal sealed class PlainNatsClient : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly TcpClient _connection = new() { NoDelay = true };
    private StreamReader _reader = StreamReader.Null;

    public static async Task<PlainNatsClient> ConnectAsync(int port, string user, CancellationToken cancellation)
    {
        var client = new PlainNatsClient();
        await client._connection.ConnectAsync(IPAddress.Loopback, port, cancellation);
        client._reader = new StreamReader(client._connection.GetStream(), Encoding.ASCII);
        await client.ReadLineAsync(cancellation);
        await client.AskAsync($$"""CONNECT {"verbose":false,"pedantic":false,"user":"{{user}}","pass":"p","protocol":1}""", cancellation);
        return client;
    }

    /// <summary>Sends lines, and says what had come by the time they were worked through: the subjects of messages, and errors.</summary>
    public async Task<List<string>> AskAsync(string lines, CancellationToken cancellation)
    {
        await _connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(lines.Length == 0 ? "PING\r\n" : $"{lines}\r\nPING\r\n"), cancellation);
        var heard = new List<string>();
        while (await ReadLineAsync(cancellation) is var line && line != "PONG")
        {
            if (line.StartsWith("-ERR", StringComparison.Ordinal)) heard.Add(line);
            if (!line.StartsWith("MSG ", StringComparison.Ordinal)) continue;
            heard.Add(line.Split(' ')[1]);
            await ReadLineAsync(cancellation);
        }

        return heard;
    }

    public void Dispose()
    {
        _reader.Dispose();
        _connection.Dispose();
    }

    private async Task<string> ReadLineAsync(CancellationToken cancellation) =>
        await _reader.ReadLineAsync(cancellation).AsTask().WaitAsync(Deadline, cancellation) ?? throw new EndOfStreamException("nats-server closed the connection");
}
