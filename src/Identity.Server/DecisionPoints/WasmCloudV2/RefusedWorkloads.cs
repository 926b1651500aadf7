using System.Diagnostics.CodeAnalysis;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// Which workloads were refused, and why: the operator takes any answer to a start for success and asks for the status later, which the
/// host knows nothing of. Bounded; of one that is forgotten the host says NOT_FOUND, which is as little running.
/// </summary>
internal sealed class RefusedWorkloads(int capacity)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _messages = new(StringComparer.Ordinal);
    private readonly Queue<string> _oldestFirst = new();

    public void Add(string workloadId, string message)
    {
        lock (_gate)
        {
            if (!_messages.ContainsKey(workloadId)) _oldestFirst.Enqueue(workloadId);
            _messages[workloadId] = message;
            while (_oldestFirst.Count > capacity) _messages.Remove(_oldestFirst.Dequeue());
        }
    }

    /// <summary>It was let through, or given up.</summary>
    public void Remove(string workloadId)
    {
        lock (_gate)
        {
            // Its place in the queue stays; a repeated refusal then only ends a little early.
            _messages.Remove(workloadId);
        }
    }

    public bool TryGet(string workloadId, [NotNullWhen(true)] out string? message)
    {
        lock (_gate) return _messages.TryGetValue(workloadId, out message);
    }
}
