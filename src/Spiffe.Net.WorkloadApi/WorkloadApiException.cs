using System.Net.Sockets;
using Grpc.Core;

namespace Spiffe.Net.WorkloadApi;

/// <summary>Why the Workload API gave nothing.</summary>
public enum WorkloadApiFailure
{
    /// <summary>None of the below.</summary>
    Unknown = 0,

    /// <summary>The endpoint is not there, starting, or overloaded. Worth another try (SPIFFE Workload Endpoint §6).</summary>
    Unavailable,

    /// <summary>The caller is known to have no identity, for now (§6). Worth another try: an entry may be on its way.</summary>
    NoIdentity,

    /// <summary>The request is wrong; the same request will be wrong again (§6).</summary>
    InvalidRequest,

    /// <summary>The endpoint does not offer this call; it will not do so later either (Appendix A).</summary>
    Unimplemented,

    /// <summary>The endpoint answered with something that is not what the specification promises.</summary>
    MalformedResponse,
}

/// <summary>The Workload API gave no usable answer. The message never holds a key or a token.</summary>
public sealed class WorkloadApiException : Exception
{
    // Room for a refusal that lists what is known of the caller.
    private const int MaxQuoted = 400;

    internal WorkloadApiException(WorkloadApiFailure failure, string message, Exception? inner = null)
        : base(message, inner) => Failure = failure;

    /// <summary>What kind of failure it was.</summary>
    public WorkloadApiFailure Failure { get; }

    /// <summary>Whether the same call may succeed later.</summary>
    public bool IsWorthRetrying => Failure is not (WorkloadApiFailure.InvalidRequest or WorkloadApiFailure.Unimplemented);

    internal static WorkloadApiException From(RpcException e, WorkloadEndpoint endpoint)
    {
        var (failure, words) = e.StatusCode switch
        {
            StatusCode.PermissionDenied => (WorkloadApiFailure.NoIdentity, $"has no identity for this process, or not the one asked for{(e.Status.Detail.Length > 0 ? $": {Quote(e.Status.Detail)}" : "")}"),
            StatusCode.InvalidArgument => (WorkloadApiFailure.InvalidRequest, $"calls the request wrong: {Quote(e.Status.Detail)}"),
            StatusCode.Unimplemented => (WorkloadApiFailure.Unimplemented, "does not offer this call"),
            _ when EndpointTrouble.Find(e, endpoint.Address is UnixDomainSocketEndPoint) is { } trouble => (WorkloadApiFailure.Unavailable, trouble),
            StatusCode.Unavailable => (WorkloadApiFailure.Unavailable, $"is not ready{(e.Status.Detail.Length > 0 ? $": {Quote(e.Status.Detail)}" : "")}"),
            _ => (WorkloadApiFailure.Unknown, $"answered {e.StatusCode}"),
        };
        return new WorkloadApiException(failure, $"the Workload API at {endpoint} {words}", e);
    }

    internal static WorkloadApiException Malformed(string problem, Exception? inner = null) =>
        new(WorkloadApiFailure.MalformedResponse, $"the Workload API sent an unusable response: {problem}", inner);

    // The endpoint's own words help whoever asked, but they are foreign: short and printable only.
    internal static string Quote(string detail)
    {
        var shown = detail.Length > MaxQuoted ? detail[..MaxQuoted] : detail;
        return $"\"{string.Concat(shown.Select(c => c is >= ' ' and <= '~' ? c : '?'))}\"";
    }
}
