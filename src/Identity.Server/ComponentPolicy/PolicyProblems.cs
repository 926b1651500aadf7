using Grpc.Core;

namespace Identity.Server.ComponentPolicy;

/// <summary>One status that names everything that is wrong with the documents, one problem a line.</summary>
internal static class PolicyProblems
{
    // A status travels in a header: clients refuse headers of more than 8 to 16 KiB.
    private const int MaxCharacters = 4096;

    public static RpcException Refusal(IReadOnlyList<string> problems)
    {
        var shown = new List<string>();
        var length = 0;
        foreach (var problem in problems)
        {
            length += problem.Length + 1;
            if (length > MaxCharacters && shown.Count > 0) break;
            shown.Add(problem.Length > MaxCharacters ? problem[..MaxCharacters] + "…" : problem);
        }

        if (shown.Count < problems.Count) shown.Add($"and {problems.Count - shown.Count} more");
        return new RpcException(new Status(StatusCode.InvalidArgument, $"nothing was changed:\n{string.Join('\n', shown)}"));
    }
}
