using System.Threading.Channels;
using Identity.Testing.Platform;
using Identity.WasmHost.Supervision;
using Identity.WasmHost.WorkerProtocol;

namespace Identity.Tests.WasmHost;

/// <summary>Runs guests in real worker processes, as the supervisor does.</summary>
internal sealed class WorkerHarness : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource stop = new(Deadline);
    private readonly Channel<WorkerMessage> messages = Channel.CreateUnbounded<WorkerMessage>();
    private readonly WorkerRun run;

    private WorkerHarness(AdmittedComponent component, Func<string, CancellationToken, Task<TokenResult>> tokens)
    {
        run = new WorkerRun(WorkerCommand.Of(Repository.Program("Identity.WasmHost", "identity-host")), component, tokens, message => messages.Writer.TryWrite(message), TimeProvider.System);
        End = run.RunAsync(stop.Token);
        _ = End.ContinueWith(_ => messages.Writer.TryComplete(), TaskScheduler.Default);
    }

    public Task<WorkerEnd> End { get; }

    public int ProcessId => run.ProcessId;

    public List<string> Audiences { get; } = [];

    public static WorkerHarness Start(
        byte[] component,
        IReadOnlyList<string>? imports = null,
        WorkerLimits? limits = null,
        NatsAccess? nats = null,
        string token = "the-token",
        string? traceparent = null,
        IReadOnlyList<GrantedInterface>? linked = null,
        IReadOnlyList<GrantedInterface>? exports = null,
        bool hostHasNats = true)
    {
        WorkerHarness? harness = null;
        return harness = new WorkerHarness(
            new AdmittedComponent("guest", component, linked ?? Granted.Imports(component, imports ?? []), exports ?? Granted.Exports(component), nats, limits ?? new WorkerLimits(), traceparent) { HostHasNats = hostHasNats },
            (audience, _) =>
            {
                harness!.Audiences.Add(audience);
                return Task.FromResult<TokenResult>(new TokenResult.Issued(token));
            });
    }

    public async Task<T> MessageAsync<T>()
        where T : WorkerMessage
    {
        await foreach (var message in messages.Reader.ReadAllAsync(stop.Token))
        {
            if (message is T wanted) return wanted;
        }

        throw new InvalidOperationException($"the worker ended without {typeof(T).Name}: {await End}");
    }

    public async Task<WorkerEnd> StopAsync()
    {
        await stop.CancelAsync();
        return await End;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        stop.Dispose();
    }
}
