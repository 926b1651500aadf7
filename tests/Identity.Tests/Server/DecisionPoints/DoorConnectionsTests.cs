// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net;
using System.Net.Sockets;
using System.Text;
using Identity.Server.DecisionPoints;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>Real connections from several addresses: who opens all there may be keeps nobody out.</summary>
public sealed class DoorConnectionsTests : IAsyncLifetime
{
    private const int Max = 12;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly DoorConnections _connections = new(Max);
    private readonly List<TcpClient> _clients = [];
    private WebApplication _app = null!;
    private int _port;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Use(next => connection => _connections.OnConnectionAsync(connection, next))));
        _app = builder.Build();
        _app.Run(call =>
        {
            if (call.Request.Path == "/prove") call.Features.Get<DoorPlace>()!.Prove("agent");
            return call.Response.WriteAsync("here");
        });
        await _app.StartAsync();
        _port = new Uri(_app.Urls.Single()).Port;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) client.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task Whoever_opens_them_all_loses_the_oldest_to_who_comes_from_elsewhere()
    {
        var flood = new List<TcpClient>();
        for (var at = 0; at < Max; at++) flood.Add(await OpenAsync("127.0.0.2", at + 1));
        var one = await OpenAsync("127.0.0.3", Max);
        await OpenAsync("127.0.0.4", Max);
        Assert.Equal("HTTP/1.1 200 OK", await AskAsync(one));
        Assert.True(await IsCutAsync(flood[0]));
        Assert.True(await IsCutAsync(flood[1]));
        Assert.Equal("HTTP/1.1 200 OK", await AskAsync(flood[^1]));
    }

    [Fact]
    public async Task Who_holds_most_is_turned_away_itself_and_no_other()
    {
        var small = await OpenAsync("127.0.0.3", 1);
        for (var at = 1; at < Max; at++) await OpenAsync("127.0.0.2", at + 1);
        Assert.True(await IsTurnedAwayAsync("127.0.0.2"));
        Assert.Equal("HTTP/1.1 200 OK", await AskAsync(small));
        Assert.Equal(Max, _connections.Count);
    }

    [Fact]
    public async Task Who_has_proven_itself_is_not_counted_and_gives_way_to_nobody()
    {
        var proven = await OpenAsync("127.0.0.2", 1);
        Assert.Equal("HTTP/1.1 200 OK", await AskAsync(proven, "/prove"));
        Assert.Equal(0, _connections.Count);
        for (var at = 0; at < Max; at++) await OpenAsync("127.0.0.2", at + 1);
        Assert.True(await IsTurnedAwayAsync("127.0.0.2"));
        await OpenAsync("127.0.0.3", Max);
        Assert.Equal("HTTP/1.1 200 OK", await AskAsync(proven, "/prove"));
        proven.Dispose();
        Assert.Equal(Max, _connections.Count);
    }

    [Fact]
    public async Task Who_has_proven_itself_has_a_few_and_loses_its_own_oldest()
    {
        var clients = new List<TcpClient>();
        for (var at = 0; at <= DoorConnections.MaxOfOneProven; at++)
        {
            clients.Add(await OpenAsync("127.0.0.2", 1));
            Assert.Equal("HTTP/1.1 200 OK", await AskAsync(clients[^1], "/prove"));
        }

        Assert.True(await IsCutAsync(clients[0]));
        Assert.Equal("HTTP/1.1 200 OK", await AskAsync(clients[1], "/prove"));
        Assert.Equal("HTTP/1.1 200 OK", await AskAsync(clients[^1], "/prove"));
    }

    [Fact]
    public async Task A_connection_that_ends_leaves_its_place()
    {
        for (var at = 0; at < Max; at++) await OpenAsync("127.0.0.2", at + 1);
        foreach (var client in _clients) client.Dispose();
        await UntilAsync(() => _connections.Count == 0);
        Assert.Equal("HTTP/1.1 200 OK", await AskAsync(await OpenAsync("127.0.0.2", 1)));
    }

    private async Task<TcpClient> OpenAsync(string from, int count)
    {
        var client = await ConnectAsync(from);
        await UntilAsync(() => _connections.Count == count);
        return client;
    }

    private async Task<TcpClient> ConnectAsync(string from)
    {
        var client = new TcpClient(new IPEndPoint(IPAddress.Parse(from), 0));
        _clients.Add(client);
        await client.ConnectAsync(IPAddress.Loopback, _port);
        return client;
    }

    private static async Task<string?> AskAsync(TcpClient client, string path = "/")
    {
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        return await ReadLineAsync(client).WaitAsync(Deadline);
    }

    // What is left of an answer before comes first.
    private static async Task<string?> ReadLineAsync(TcpClient client)
    {
        using var reader = new StreamReader(client.GetStream(), Encoding.ASCII, detectEncodingFromByteOrderMarks: false, bufferSize: 4096, leaveOpen: true);
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.StartsWith("HTTP/", StringComparison.Ordinal)) return line;
        }

        return null;
    }

    // Perhaps before it knows that it is connected.
    private async Task<bool> IsTurnedAwayAsync(string from)
    {
        try
        {
            return await IsCutAsync(await ConnectAsync(from));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            return true;
        }
    }

    private static async Task<bool> IsCutAsync(TcpClient client)
    {
        try
        {
            while (await client.GetStream().ReadAsync(new byte[64]).AsTask().WaitAsync(Deadline) > 0)
            {
                // What is left of an answer.
            }

            return true;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!isSo()) await Task.Delay(10, deadline.Token);
    }
}
