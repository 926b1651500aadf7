// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net;
using System.Net.Sockets;
using System.Text;
using Identity.Server.DecisionPoints;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>Real connections from several addresses, and room for a few bodies: who fills it keeps nobody out.</summary>
public sealed class BoundedBodySocketTests : IAsyncLifetime
{
    private const int Room = 1 << 20;
    private const int OfOne = Room / 4;
    private const int Longest = OfOne;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    // The ten seconds of a body do not pass here.
    private readonly BoundedBody _bodies = new(new Microsoft.Extensions.Time.Testing.FakeTimeProvider(), Room, OfOne);
    private readonly List<TcpClient> _clients = [];
    private WebApplication _app = null!;
    private int _port;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        _app = builder.Build();
        _app.Run(async call =>
        {
            var body = await _bodies.ReadAsync(call, Longest);
            call.Response.StatusCode = body.Status;
            await call.Response.WriteAsync(body.Bytes is { } bytes ? $"{bytes.Length}" : body.Problem);
        });
        await _app.StartAsync();
        _port = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) client.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task Five_addresses_that_fill_it_keep_no_small_body_out()
    {
        var ends = new List<Task<string?>>();
        for (var at = 2; at <= 6; at++)
        {
            var flood = await PostAsync($"127.0.0.{at}", Longest);
            ends.Add(StatusAsync(flood));
            await flood.WriteAsync(new byte[OfOne - 1]);
            // The fifth takes from one of the others what it needs itself, or is refused: all of it has come when one of the five has ended and four hold their share.
            await UntilAsync(() => _bodies.Held >= Math.Min(at - 1, 4) * OfOne && (at < 6 || ends.Any(end => end.IsCompleted)));
        }

        Assert.InRange(_bodies.Held, Room - OfOne, Room);
        for (var review = 0; review < 10; review++)
        {
            var small = await PostAsync("127.0.0.1", 20_000);
            await small.WriteAsync(new byte[20_000]);
            Assert.Equal("HTTP/1.1 200 OK", await StatusAsync(small).WaitAsync(Deadline));
        }

        Assert.InRange(ends.Count(end => end.IsCompleted), 1, 2);
        Assert.All(ends.Where(end => end.IsCompleted), end => Assert.Matches("^HTTP/1.1 (429|503) ", end.Result));
    }

    [Fact]
    public async Task What_is_only_announced_takes_no_room()
    {
        for (var at = 0; at < 20; at++) await PostAsync("127.0.0.2", Longest);
        var small = await PostAsync("127.0.0.2", 20_000);
        await small.WriteAsync(new byte[20_000]);
        Assert.Equal("HTTP/1.1 200 OK", await StatusAsync(small).WaitAsync(Deadline));
        await UntilAsync(() => _bodies.Held == 0);
    }

    [Fact]
    public async Task Who_leaves_in_the_middle_leaves_its_room()
    {
        var client = await PostAsync("127.0.0.2", Longest);
        await client.WriteAsync(new byte[OfOne / 2]);
        await UntilAsync(() => _bodies.Held == OfOne / 2);
        _clients[^1].Dispose();
        await UntilAsync(() => _bodies.Held == 0);
    }

    private async Task<NetworkStream> PostAsync(string from, int length)
    {
        var client = new TcpClient(new IPEndPoint(IPAddress.Parse(from), 0));
        _clients.Add(client);
        await client.ConnectAsync(IPAddress.Loopback, _port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"));
        return client.GetStream();
    }

    private static async Task<string?> StatusAsync(NetworkStream stream)
    {
        var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        return await reader.ReadLineAsync();
    }

    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!isSo()) await Task.Delay(10, deadline.Token);
    }
}
