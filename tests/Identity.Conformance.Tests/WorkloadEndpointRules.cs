using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>SPIFFE Workload Endpoint §4: what SPIFFE_ENDPOINT_SOCKET may say.</summary>
public sealed class WorkloadEndpointRules
{
    public static IEnumerable<TheoryDataRow<string, string>> Forbidden =>
    [
        Rule.Row("WLEP-07", "/run/workload.sock", "its scheme is neither unix nor tcp"),
        Rule.Row("WLEP-07", "http://127.0.0.1:8000", "its scheme is neither unix nor tcp"),
        Rule.Row("WLEP-07", "http:///run/workload.sock", "its scheme is neither unix nor tcp"),
        Rule.Row("WLEP-07", "npipe:workload", "its scheme is neither unix nor tcp"),
        Rule.Row("WLEP-07", "npipe:/run/workload.sock", "its scheme is neither unix nor tcp"),
        Rule.Row("WLEP-08", "unix://run/workload.sock", "has no authority"),
        Rule.Row("WLEP-08", "unix:run/workload.sock", "needs an absolute path"),
        Rule.Row("WLEP-08", "unix://user@/run/workload.sock", "has no authority"),
        Rule.Row("WLEP-08", "unix:///run/workload.sock?mode=rw", "it has a query"),
        Rule.Row("WLEP-08", "unix:///run/workload.sock#x", "it has a fragment"),
        Rule.Row("WLEP-08", "unix://", "has no authority"),
        Rule.Row("WLEP-09", "tcp://localhost:8000", "its host is not an IP address"),
        Rule.Row("WLEP-09", "tcp://127.0.0.1", "needs a port"),
        Rule.Row("WLEP-09", "tcp://127.0.0.1:8000/path", "has no path"),
        Rule.Row("WLEP-09", "tcp://127.0.0.1:8000?x", "it has a query"),
        Rule.Row("WLEP-09", "tcp://user@127.0.0.1:8000", "has no user"),
        Rule.Row("WLEP-09", "tcp://127.0.0.1:65536", "its port is not a number from 1 to 65535"),
    ];

    public static IEnumerable<TheoryDataRow<string>> Allowed =>
    [
        Rule.Row("WLEP-08", "unix:///run/workload.sock"),
        Rule.Row("WLEP-08", "unix:/run/workload.sock"),
        Rule.Row("WLEP-09", "tcp://127.0.0.1:8000"),
        Rule.Row("WLEP-09", "tcp://[::1]:8000"),
    ];

    [Theory]
    [MemberData(nameof(Forbidden))]
    public void Is_refused(string text, string reason)
    {
        Assert.False(WorkloadEndpoint.TryParse(text, out _, out var problem));
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Allowed))]
    public void Is_accepted(string text) => Assert.True(WorkloadEndpoint.TryParse(text, out _, out var problem), problem);
}
