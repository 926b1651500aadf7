using System.Diagnostics;
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Server.Ledger;

namespace Identity.Server.Administration;

/// <summary>What a state calls for: the changes, why, and the answer to give once they are written.</summary>
internal sealed record Proposal<T>(T Answer, IReadOnlyList<Change> Changes, string Reason);

/// <summary>How services write: what is checked and what is changed are one step.</summary>
internal static class LedgerWrites
{
    private const int MaxAttempts = 64;
    /// <summary>One change, with all that it says and who makes it.</summary>
    public const int MaxTransactionBytes = 15 << 20;

    /// <summary>
    /// Decides on the current state and appends at exactly that revision; when somebody else was faster, decides again on what is
    /// current then. A proposal without changes writes nothing.
    /// </summary>
    /// <returns>The answer, and the state it holds in.</returns>
    public static async Task<(T Answer, ControlPlaneState State)> ChangeAsync<T>(
        this ControlPlaneLedger ledger, string author, Func<ControlPlaneState, Proposal<T>> propose, CancellationToken cancellation)
    {
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            var state = ledger.State;
            var proposal = propose(state);
            if (proposal.Changes.Count == 0) return (proposal.Answer, state);
            var transaction = new Transaction { Author = author, Reason = proposal.Reason, Traceparent = Activity.Current?.Id ?? "" };
            transaction.Changes.AddRange(proposal.Changes);
            if (transaction.CalculateSize() > MaxTransactionBytes)
            {
                throw new RpcException(new Status(
                    StatusCode.ResourceExhausted, $"the change has more than {MaxTransactionBytes} bytes; send it in smaller parts"));
            }

            if (await ledger.AppendAsync(transaction, state.Revision, cancellation) is Append.Committed committed)
            {
                return (proposal.Answer, committed.State);
            }
        }

        throw new RpcException(new Status(StatusCode.Aborted, $"the ledger changed {MaxAttempts} times meanwhile; try again"));
    }
}
