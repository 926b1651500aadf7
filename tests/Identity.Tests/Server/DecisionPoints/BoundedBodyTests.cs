using System.IO.Pipelines;
using System.Net;
using Identity.Server.DecisionPoints;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Time.Testing;

namespace Identity.Tests.Server.DecisionPoints;

public sealed class BoundedBodyTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly BoundedBody _bodies;

    public BoundedBodyTests() => _bodies = new BoundedBody(_time);

    [Fact]
    public async Task Reads_a_body_whole()
    {
        var (call, body) = Call();
        var reading = _bodies.ReadAsync(call, 8);
        await WriteAsync(body, 4);
        await WriteAsync(body, 4);
        await body.CompleteAsync();
        Assert.Equal(8, (await reading).Bytes!.Length);
    }

    [Fact]
    public async Task Reads_no_more_than_it_may()
    {
        var (call, body) = Call();
        var reading = _bodies.ReadAsync(call, 8);
        await WriteAsync(body, 9);
        Assert.Equal((null, 413), ((await reading).Bytes, (await reading).Status));

        (call, _) = Call();
        call.Request.ContentLength = 9;
        Assert.Equal(413, (await _bodies.ReadAsync(call, 8)).Status);
    }

    [Fact]
    public async Task Waits_for_a_body_that_does_not_come_only_so_long()
    {
        var (call, body) = Call();
        var reading = _bodies.ReadAsync(call, 8);
        await WriteAsync(body, 1);
        _time.Advance(BoundedBody.Within - TimeSpan.FromMilliseconds(1));
        Assert.False(reading.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((null, 408), ((await reading).Bytes, (await reading).Status));
    }

    [Fact]
    public async Task Holds_so_much_of_all_together_and_cuts_off_who_holds_most_when_somebody_else_needs_room()
    {
        const int Share = (int)BoundedBody.MaxOfOne;
        var others = Enumerable.Range(0, (int)(BoundedBody.MaxTogether / Share)).Select(at => Call($"192.0.2.{at}")).ToList();
        var reading = others.Select(other => _bodies.ReadAsync(other.Call, Share)).ToList();
        foreach (var (_, body) in others) await WriteAsync(body, Share);
        Assert.Equal(BoundedBody.MaxTogether, _bodies.Held);
        var (third, more) = Call();
        await WriteAsync(more, 1);
        await more.CompleteAsync();
        Assert.Single((await _bodies.ReadAsync(third, Share)).Bytes!);

        var cutOff = await await Task.WhenAny(reading);
        Assert.Equal((null, 429), (cutOff.Bytes, cutOff.Status));
        var rest = reading.Zip(others).Where(one => !one.First.IsCompleted).ToList();
        Assert.Equal(others.Count - 1, rest.Count);
        foreach (var (one, (_, body)) in rest)
        {
            await body.CompleteAsync();
            Assert.Equal(Share, (await one).Bytes!.Length);
        }

        Assert.Equal(0, _bodies.Held);
    }

    [Fact]
    public async Task Who_holds_most_is_refused_and_not_who_holds_less()
    {
        var bodies = new BoundedBody(_time, maxTogether: 4 * BoundedBody.Page, maxOfOne: 4 * BoundedBody.Page);
        var (small, its) = Call("192.0.2.1");
        var smallReading = bodies.ReadAsync(small, 8 * BoundedBody.Page);
        await WriteAsync(its, BoundedBody.Page);
        var (large, more) = Call("192.0.2.2");
        var largeReading = bodies.ReadAsync(large, 8 * BoundedBody.Page);
        await WriteAsync(more, 3 * BoundedBody.Page);
        Assert.False(largeReading.IsCompleted);
        await WriteAsync(more, 1);
        Assert.Equal(503, await StatusAsync(largeReading));
        Assert.False(smallReading.IsCompleted);
        await its.CompleteAsync();
        Assert.Equal(200, await StatusAsync(smallReading));
    }

    [Fact]
    public async Task However_many_begin_and_do_not_go_on_each_holds_a_page_at_least()
    {
        var bodies = new BoundedBody(_time, maxTogether: 4 * BoundedBody.Page, maxOfOne: 4 * BoundedBody.Page);
        var slow = Enumerable.Range(0, 5).Select(_ => Call("192.0.2.1")).ToList();
        var reading = slow.Select(call => bodies.ReadAsync(call.Call, BoundedBody.Page)).ToList();
        foreach (var (_, body) in slow) await WriteAsync(body, 1);
        Assert.Equal(429, await StatusAsync(reading[^1]));
        Assert.Equal(4 * BoundedBody.Page, bodies.Held);
        Assert.All(reading[..^1], one => Assert.False(one.IsCompleted));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(20_000)]
    public async Task What_comes_in_pieces_is_what_was_sent(int piece)
    {
        var sent = new byte[20_001];
        for (var at = 0; at < sent.Length; at++) sent[at] = (byte)(at * 7 % 251);
        var (call, body) = Call();
        var reading = _bodies.ReadAsync(call, 1 << 20);
        for (var at = 0; at < sent.Length; at += piece) await body.WriteAsync(sent.AsMemory(at, Math.Min(piece, sent.Length - at)), TestContext.Current.CancellationToken);
        await body.CompleteAsync();
        Assert.Equal(sent, (await reading).Bytes);
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1", "192.0.2.2")]
    [InlineData("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2")]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", "2001:db8:0:2::1")]
    public async Task Nobody_fills_the_door_from_one_network_however_many_connections_there_are(string one, string same, string other)
    {
        const int Share = (int)BoundedBody.MaxOfOne;
        var slow = Enumerable.Range(0, 2).Select(at => Call(at == 0 ? one : same)).ToList();
        var reading = slow.Select(call => _bodies.ReadAsync(call.Call, Share)).ToList();
        foreach (var (_, body) in slow) await WriteAsync(body, Share / 2);

        var (more, its) = Call(same);
        await WriteAsync(its, 1);
        var refused = await _bodies.ReadAsync(more, Share);
        Assert.Equal((null, 429), (refused.Bytes, refused.Status));

        var (elsewhere, theirs) = Call(other);
        await WriteAsync(theirs, 1);
        await theirs.CompleteAsync();
        Assert.Single((await _bodies.ReadAsync(elsewhere, Share)).Bytes!);

        // What was refused or given up takes no room.
        _time.Advance(BoundedBody.Within);
        foreach (var late in reading) Assert.Equal(408, (await late).Status);
        (more, its) = Call(same);
        await WriteAsync(its, 1);
        await its.CompleteAsync();
        Assert.Single((await _bodies.ReadAsync(more, Share)).Bytes!);
    }

    [Fact]
    public async Task Who_proved_itself_has_a_share_of_its_own_wherever_it_comes_from()
    {
        const int Share = (int)BoundedBody.MaxOfOne;
        const string Gateway = "spiffe://example.org/gateways/edge";
        var (slow, body) = Call("192.0.2.1");
        var reading = _bodies.ReadAsync(slow, Share, Gateway);
        await WriteAsync(body, Share);

        var (stranger, its) = Call("192.0.2.1");
        await WriteAsync(its, 1);
        await its.CompleteAsync();
        Assert.Single((await _bodies.ReadAsync(stranger, Share)).Bytes!);

        var (same, more) = Call("192.0.2.9");
        await WriteAsync(more, 1);
        Assert.Equal(429, (await _bodies.ReadAsync(same, Share, Gateway)).Status);
        await body.CompleteAsync();
        Assert.Equal(200, (await reading).Status);
    }

    private static (HttpContext Call, PipeWriter Body) Call(string? from = null)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0, readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline));
        var call = new DefaultHttpContext { Connection = { RemoteIpAddress = from is null ? null : IPAddress.Parse(from) } };
        call.Features.Set<IRequestBodyPipeFeature>(new Body(pipe.Reader));
        return (call, pipe.Writer);
    }

    private static async Task<int> StatusAsync(Task<ReadBody> reading) => (await reading).Status;

    private static async Task WriteAsync(PipeWriter body, int bytes) => await body.WriteAsync(new byte[bytes], TestContext.Current.CancellationToken);

    private sealed class Body(PipeReader reader) : IRequestBodyPipeFeature
    {
        public PipeReader Reader => reader;
    }
}
