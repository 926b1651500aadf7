using System.Diagnostics.CodeAnalysis;
using Wasmtime;

namespace Identity.WasmHost.Workers;

/// <summary>The one engine of a worker: fuel and epochs on, everything a component here does not need off.</summary>
internal sealed class WorkerEngine : IDisposable
{
    /// <summary>How often the epoch moves; a deadline is met within one tick.</summary>
    private const int TickMilliseconds = 10;

    // Half a MiB for the guest on a thread of four: a guest that recurses traps long before it reaches the end of the thread's stack,
    // which would end the process.
    private const int GuestStackBytes = 512 << 10;

    public const int ThreadStackBytes = 4 << 20;

    private readonly Timer ticker;

    // Values are constants: an invalid combination aborts the process inside Wasmtime, so none is taken from outside.
    public WorkerEngine()
    {
        Engine = new Engine(new Config()
            .WithComponentModel(true)
            .WithFuelConsumption(true)
            .WithEpochInterruption(true)
            .WithMaximumStackSize(GuestStackBytes)
            .WithWasmThreads(false)
            .WithMemory64(false));
        ticker = new Timer(static engine => ((Engine)engine!).IncrementEpoch(), Engine, TickMilliseconds, TickMilliseconds);
    }

    public Engine Engine { get; }

    /// <summary>An epoch deadline that passes after the given time. At least two ticks: the first may come at once.</summary>
    public static ulong Ticks(int milliseconds) => Math.Max(2, (ulong)milliseconds / TickMilliseconds);

    [SuppressMessage("Performance", "CA1849", Justification = "Waits for a running tick, which is 50 ns.")]
    public void Dispose()
    {
        using (var stopped = new ManualResetEvent(false))
        {
            if (ticker.Dispose(stopped)) stopped.WaitOne();
        }

        Engine.Dispose();
    }
}
