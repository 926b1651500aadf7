using Identity.Ledger.V1;

namespace Identity.Server.Ledger;

/// <summary>Something waiting for the writer. Its waiter goes on elsewhere: continuing on the writer's thread would hold up every other write.</summary>
internal abstract class PendingWrite
{
    /// <summary>Bytes it adds to a commit.</summary>
    public abstract int Size { get; }

    /// <summary>Adds its rows to the open commit and moves the position on.</summary>
    public abstract void Stage(LedgerFile file, ref LedgerPosition position);

    /// <summary>The commit is on disk.</summary>
    public abstract void Complete();

    public abstract void Fail(Exception cause);
}

/// <summary>Where the ledger stands: the state and the ends of both chains.</summary>
internal readonly record struct LedgerPosition(ControlPlaneState State, HashChain Transactions, HashChain Issuances);

internal sealed class PendingTransaction(Transaction transaction, byte[] payload, ulong? expectedRevision) : PendingWrite
{
    private readonly TaskCompletionSource<Append> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Append? _answer;

    public Task<Append> Completion => _completion.Task;

    public override int Size => payload.Length;

    public override void Stage(LedgerFile file, ref LedgerPosition position)
    {
        if (expectedRevision is { } expected && expected != position.State.Revision)
        {
            _answer = new Append.Conflict(position.State.Revision);
            return;
        }
        var chain = position.Transactions.Next(payload);
        file.InsertTransaction(chain, payload);
        var state = new ControlPlaneState.Fold(position.State).Apply(transaction).ToState();
        position = position with { State = state, Transactions = chain };
        _answer = new Append.Committed(state);
    }

    public override void Complete() => _completion.SetResult(_answer!);

    public override void Fail(Exception cause) => _completion.SetException(cause);
}

internal sealed class PendingIssuance(byte[] payload) : PendingWrite
{
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Completion => _completion.Task;

    public override int Size => payload.Length;

    public override void Stage(LedgerFile file, ref LedgerPosition position)
    {
        var chain = position.Issuances.Next(payload);
        file.InsertIssuance(chain, payload);
        position = position with { Issuances = chain };
    }

    public override void Complete() => _completion.SetResult();

    public override void Fail(Exception cause) => _completion.SetException(cause);
}

/// <summary>Best effort: nobody waits for it.</summary>
internal sealed class PendingDecision(string id, byte[] payload, IReadOnlyList<string> forgotten) : PendingWrite
{
    public override int Size => payload.Length;

    public override void Stage(LedgerFile file, ref LedgerPosition position)
    {
        file.InsertDecision(id, payload);
        foreach (var old in forgotten) file.ForgetDecision(old);
    }

    public override void Complete() { }

    public override void Fail(Exception cause) { }
}

/// <summary>Best effort: nobody waits for it.</summary>
internal sealed class ForgottenDecisions(IReadOnlyList<string> ids) : PendingWrite
{
    public override int Size => 0;

    public override void Stage(LedgerFile file, ref LedgerPosition position)
    {
        foreach (var id in ids) file.ForgetDecision(id);
    }

    public override void Complete() { }

    public override void Fail(Exception cause) { }
}
