using System.IO.Pipelines;
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
    public async Task Holds_so_much_of_all_together_and_takes_more_once_there_is_room()
    {
        const int Half = (int)(BoundedBody.MaxTogether / 2);
        var (one, first) = Call();
        var (other, second) = Call();
        var (third, more) = Call();
        var reading = _bodies.ReadAsync(one, Half);
        var alsoReading = _bodies.ReadAsync(other, Half);
        await WriteAsync(first, Half);
        await WriteAsync(second, Half);
        await WriteAsync(more, 1);
        Assert.Equal((null, 503), ((await _bodies.ReadAsync(third, Half)).Bytes, 503));

        await first.CompleteAsync();
        Assert.Equal(Half, (await reading).Bytes!.Length);
        await second.CompleteAsync();
        Assert.Equal(Half, (await alsoReading).Bytes!.Length);
        (third, more) = Call();
        await WriteAsync(more, 1);
        await more.CompleteAsync();
        Assert.Single((await _bodies.ReadAsync(third, Half)).Bytes!);
    }

    private static (HttpContext Call, PipeWriter Body) Call()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0, readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline));
        var call = new DefaultHttpContext();
        call.Features.Set<IRequestBodyPipeFeature>(new Body(pipe.Reader));
        return (call, pipe.Writer);
    }

    private static async Task WriteAsync(PipeWriter body, int bytes) => await body.WriteAsync(new byte[bytes], TestContext.Current.CancellationToken);

    private sealed class Body(PipeReader reader) : IRequestBodyPipeFeature
    {
        public PipeReader Reader => reader;
    }
}
