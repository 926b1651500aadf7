namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// Asks the kernel what it may take for ever to answer. Behind a file there may be a process of the very user who is asked about (FUSE, alone or below an overlay), and
/// nobody calls off a thread that waits for it in the kernel. So it is none of the pool's, and each owner keeps one waiting at most: their own next question comes after it.
/// </summary>
internal sealed class OwnThreads
{
    private const int MaxThreads = 256;
    private const int StackBytes = 256 << 10;

    private readonly Dictionary<long, Gate> _gates = [];
    private int _threads;

    /// <summary>Those who ask or wait to ask.</summary>
    public int Owners
    {
        get
        {
            lock (_gates) return _gates.Count;
        }
    }

    /// <exception cref="OperationCanceledException">There was no answer in time. The owner's turn is over when there is one.</exception>
    /// <exception cref="IOException">Too many owners' questions wait in the kernel.</exception>
    public async Task<T> AskAsync<T>(long owner, Func<T> question, CancellationToken cancellation)
    {
        using var turn = await TakeTurnAsync(owner, cancellation);
        return await turn.Ask(question).WaitAsync(cancellation);
    }

    /// <summary>One at a time for one owner.</summary>
    public async ValueTask<Turn> TakeTurnAsync(long owner, CancellationToken cancellation)
    {
        Gate? gate;
        lock (_gates)
        {
            if (!_gates.TryGetValue(owner, out gate)) _gates[owner] = gate = new Gate(owner);
            gate.Users++;
        }

        try
        {
            await gate.Free.WaitAsync(cancellation);
            return new Turn(this, gate);
        }
        catch
        {
            Leave(gate);
            throw;
        }
    }

    private void Leave(Gate gate)
    {
        lock (_gates)
        {
            if (--gate.Users == 0) _gates.Remove(gate.Owner);
        }
    }

    /// <summary>Whoever disposes of it without having asked gives it back; else the kernel's answer does.</summary>
    internal sealed class Turn(OwnThreads threads, Gate gate) : IDisposable
    {
        private bool _isAsked;

        /// <summary>Once.</summary>
        public Task<T> Ask<T>(Func<T> question)
        {
            var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (Interlocked.Increment(ref threads._threads) > MaxThreads)
            {
                Interlocked.Decrement(ref threads._threads);
                throw new IOException("too many files are waited for, of too many users");
            }

            try
            {
                new Thread(() => Answer(question, answer), StackBytes) { IsBackground = true, Name = "files of users" }.Start();
            }
#pragma warning disable CA1031 // Out of memory, or of what the machine lets us start: nothing that speaks of the file, and the turn is given back.
            catch (Exception e)
#pragma warning restore CA1031
            {
                Interlocked.Decrement(ref threads._threads);
                throw new IOException("no thread can be started to wait for a file", e);
            }

            _isAsked = true;
            return answer.Task;
        }

        public void Dispose()
        {
            if (!_isAsked) End();
        }

        private void Answer<T>(Func<T> question, TaskCompletionSource<T> answer)
        {
            try
            {
                var result = question();
                Asked();
                answer.SetResult(result);
            }
            catch (Exception e)
            {
                Asked();
                answer.SetException(e);
                // Perhaps nobody waits any more.
                _ = answer.Task.Exception;
            }
        }

        private void Asked()
        {
            Interlocked.Decrement(ref threads._threads);
            End();
        }

        private void End()
        {
            gate.Free.Release();
            threads.Leave(gate);
        }
    }

    internal sealed class Gate(long owner)
    {
        public long Owner => owner;

        public SemaphoreSlim Free { get; } = new(1, 1);

        public int Users { get; set; }
    }
}
