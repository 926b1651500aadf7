using System.Text;
using Identity.WasmHost.WorkerProtocol;
using Wasmtime;

namespace Identity.WasmHost.Workers;

/// <summary>
/// The only place a store is made. Everything is set before instantiation, because core start functions already run then; a WASI
/// configuration is always set, because a WASI call without one ends the process.
/// </summary>
internal static class LimitedStore
{
    private const int MaxLine = 2048;

    /// <param name="print">Receives what the guest writes, a line at a time, on the guest's thread.</param>
    public static Store Create(WorkerEngine engine, WorkerLimits limits, Action<string> print)
    {
        var store = new Store(engine.Engine);
        try
        {
            store.SetLimits(limits.MemoryBytes, limits.TableElements, limits.Instances, limits.Tables, limits.Memories);
            store.Fuel = limits.Fuel;
            store.SetEpochDeadline(WorkerEngine.Ticks(limits.CallMilliseconds));
            // The default grants nothing: no environment, no arguments, no directory, no network.
            store.SetWasiConfiguration(new WasiConfiguration()
                .WithStandardOutputCallback(Lines(print))
                .WithStandardErrorCallback(Lines(print)));
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    private static WasiOutputCallback Lines(Action<string> print)
    {
        var pending = new List<byte>();
        return bytes =>
        {
            foreach (var value in bytes)
            {
                if (value != '\n' && pending.Count < MaxLine)
                {
                    pending.Add(value);
                    continue;
                }

                if (value != '\n') continue;
                print(Encoding.UTF8.GetString([.. pending]));
                pending.Clear();
            }
        };
    }
}
