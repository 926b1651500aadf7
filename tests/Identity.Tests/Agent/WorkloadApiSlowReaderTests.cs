// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Identity.Agent.ControlPlane;
using Microsoft.Extensions.DependencyInjection;
using Spiffe.WorkloadApi.V1;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>What a reader that does not read costs while the world goes on: the message it is being sent, and nothing for those it missed.</summary>
public sealed class WorkloadApiSlowReaderTests
{
    private const int Readers = 40;
    private const int Changes = 400;

    // More than a stream takes unread (64 KiB at the client, as much at the server), so that what is not read is not written.
    private const int ListBytes = 96 * 1024;

    [Fact]
    [Trait("rule", "WLAPI-07")]
    [Trait("rule", "WLAPI-09")]
    public async Task Readers_that_stall_while_hundreds_of_changes_pass_hold_one_message_each_and_then_hear_the_newest()
    {
        var writes = new Writes();
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", "spiffe://example.org/a", "spiffe://example.org/nodes/local", OwnUid);
        await plane.StartAsync();
        await using var agent = await RunningAgent.StartAsync(plane, OptionsFor(plane, NewFolder()), also: builder =>
        {
            builder.Services.AddSingleton(writes);
            builder.Services.Configure<GrpcServiceOptions>(grpc => grpc.Interceptors.Add<Watch>());
        });
        var views = agent.Services.GetRequiredService<ViewHolder>();
        var stalled = Enumerable.Range(0, Readers).Select(_ => agent.Workload.FetchX509SVID(new(), WorkloadHeader)).ToList();
        foreach (var call in stalled) await call.ResponseStream.NextAsync();

        // One who reads sees every change before the next one is made, so that each of them was there to be queued.
        using var prompt = agent.Workload.FetchX509SVID(new(), WorkloadHeader);
        await prompt.ResponseStream.NextAsync();
        for (var change = 1; change <= Changes; change++)
        {
            plane.Crls.Clear();
            plane.Crls.Add(List(change));
            plane.Push();
            while (NumberOf(await prompt.ResponseStream.NextAsync()) != change) { }
            writes.Saw(views.Current!);
        }

        var behind = writes.Streams.Where(stream => stream.Started < Changes).ToList();
        Assert.Equal(Readers, behind.Count);
        // At most one that is being written, and no more begun than what fitted unread: the number of changes shows nowhere.
        Assert.All(behind, stream => Assert.InRange(stream.Started - stream.Ended, 0, 1));
        Assert.All(behind, stream => Assert.InRange(stream.Started, 1, 5));
        // What a message is made of is there as long as the message, were it made for each stream anew; and it is there once for each change. What is still there belongs
        // to somebody who is being sent it, or is the newest.
        var (messages, lists) = writes.CountLiving();
        Assert.InRange(messages, 1, behind.Count + 3);
        Assert.InRange(lists, 1, behind.Count + 3);

        foreach (var call in stalled)
        {
            var read = 0;
            do read++;
            while (NumberOf(await call.ResponseStream.NextAsync()) != Changes);
            Assert.InRange(read, 1, 5);
        }

        foreach (var call in stalled) call.Dispose();
    }

    // No two alike, and nothing that could be pressed together.
    private static ByteString List(int change)
    {
        var bytes = new byte[ListBytes];
        BitConverter.TryWriteBytes(bytes, change);
        return ByteString.CopyFrom(bytes);
    }

    private static int NumberOf(X509SVIDResponse response) => response.Crl.Count == 0 ? 0 : BitConverter.ToInt32(response.Crl[0].Span);

    /// <summary>What the agent's streams have begun and ended to write.</summary>
    private sealed class Writes
    {
        private readonly ConcurrentBag<WeakReference> _messages = [];
        private readonly List<WeakReference> _lists = [];
        private readonly ConcurrentDictionary<int, bool> _seen = new();

        public ConcurrentBag<StreamCount> Streams { get; } = [];

        public void Saw(object message)
        {
            if (message is X509SVIDResponse response && _seen.TryAdd(NumberOf(response), true)) _messages.Add(new WeakReference(response));
        }

        public void Saw(ControlPlaneView view)
        {
            Assert.True(MemoryMarshal.TryGetArray(view.Crls[0], out var list));
            _lists.Add(new WeakReference(list.Array));
        }

        public (int Messages, int Lists) CountLiving()
        {
            for (var i = 0; i < 3; i++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }

            return (_messages.Count(message => message.IsAlive), _lists.Count(list => list.IsAlive));
        }
    }

    private sealed class StreamCount
    {
        private int _started;
        private int _ended;

        public int Started => Volatile.Read(ref _started);

        public int Ended => Volatile.Read(ref _ended);

        public void Starts() => Interlocked.Increment(ref _started);

        public void Ends() => Interlocked.Increment(ref _ended);
    }

    private sealed class Watch(Writes writes) : Interceptor
    {
        public override Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
        {
            var count = new StreamCount();
            writes.Streams.Add(count);
            return continuation(request, new Watched<TResponse>(responseStream, count, writes), context);
        }
    }

    private sealed class Watched<T>(IServerStreamWriter<T> inner, StreamCount count, Writes writes) : IServerStreamWriter<T>
    {
        public WriteOptions? WriteOptions
        {
            get => inner.WriteOptions;
            set => inner.WriteOptions = value;
        }

        public Task WriteAsync(T message) => WriteAsync(message, CancellationToken.None);

        public async Task WriteAsync(T message, CancellationToken cancellationToken)
        {
            writes.Saw(message!);
            count.Starts();
            await inner.WriteAsync(message, cancellationToken);
            count.Ends();
        }
    }
}
