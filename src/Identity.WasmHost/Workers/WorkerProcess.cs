using Identity.WasmHost.WorkerProtocol;

namespace Identity.WasmHost.Workers;

/// <summary>
/// <c>identity-host worker</c>: runs one component and speaks with its supervisor over standard input and output. It is the only process
/// that loads Wasmtime, counts as compromisable, and holds nothing but the tokens of its component. When its input ends, the supervisor is
/// gone or wants it gone: it ends at once, whatever the guest is doing.
/// </summary>
internal static class WorkerProcess
{
    private const int Unfit = 70;
    private const int ComponentEnded = 3;

    public static async Task<int> RunAsync(CancellationToken cancellation)
    {
        try
        {
            ProcessHardening.Apply();
        }
        catch (InvalidOperationException e)
        {
            await Console.Error.WriteLineAsync($"identity-host worker: {e.Message}");
            return Unfit;
        }

        var input = Console.OpenStandardInput();
        var output = Console.OpenStandardOutput();
        // Standard output carries the protocol: nothing else may write to it.
        Console.SetOut(TextWriter.Null);
        using var channel = new WorkerChannel(input, output, WorkerChannel.MaxFromSupervisor);
        using var engine = new WorkerEngine();
        if (BindingSelfTest.FindProblem(engine) is { } problem)
        {
            await Console.Error.WriteLineAsync($"identity-host worker: {problem}; this build needs Wasmtime 50.0.1");
            return Unfit;
        }

        await channel.SendAsync(new WorkerReady(), cancellation);
        await ServeAsync(channel, engine, cancellation);
        return 0;
    }

    private static async Task ServeAsync(WorkerChannel channel, WorkerEngine engine, CancellationToken cancellation)
    {
        var tokens = new TokenRequests(channel);
        StartComponent? started = null;
        await foreach (var message in channel.ReadAllAsync(cancellation))
        {
            switch (message)
            {
                case StartComponent start when started is null:
                    started = start;
                    RunOnOwnThread(channel, engine, tokens, start);
                    break;
                case TokenAnswer answer:
                    tokens.Complete(answer);
                    break;
                default:
                    throw new InvalidDataException($"unexpected {message.GetType().Name}");
            }
        }

        // Not a return: a guest may be running, and disposing what it uses is undefined.
        Environment.Exit(0);
    }

    private static void RunOnOwnThread(WorkerChannel channel, WorkerEngine engine, TokenRequests tokens, StartComponent start)
    {
        var guest = new Thread(() => RunToEnd(channel, engine, tokens, start), WorkerEngine.ThreadStackBytes)
        {
            IsBackground = true,
            Name = "guest",
        };
        guest.Start();
    }

    private static void RunToEnd(WorkerChannel channel, WorkerEngine engine, TokenRequests tokens, StartComponent start)
    {
        // The guest's thread waits for every report: a guest cannot flood the supervisor faster than it reads.
        void Report(WorkerMessage message) => channel.SendAsync(message, CancellationToken.None).GetAwaiter().GetResult();

        var nats = start.Nats is { } access ? new NatsPublisher(access, start.Name, start.Traceparent, tokens, TimeProvider.System, Report) : null;
        using var untilTheEnd = new ManualResetEvent(false);
        using (var component = new RunningComponent(engine, start, tokens, nats, Report))
        {
            if (nats?.ConnectAsync(TimeProvider.System, CancellationToken.None).GetAwaiter().GetResult() is { } problem)
                Report(new NatsChanged { IsConnected = false, Problem = PrintableText.Of(problem, 512) });
            var lives = component.Run();
            // The instance, and the connection that is part of it, stay until the supervisor ends this process.
            if (lives) untilTheEnd.WaitOne();
        }

        Environment.Exit(ComponentEnded);
    }
}
