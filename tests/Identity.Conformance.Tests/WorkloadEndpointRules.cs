using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>SPIFFE Workload Endpoint §4: what SPIFFE_ENDPOINT_SOCKET may say.</summary>
public sealed class WorkloadEndpointRules
{
    public static IEnumerable<TheoryDataRow<string>> Forbidden =>
    [
        Rule.Row("WLEP-07", "/run/workload.sock"),
        Rule.Row("WLEP-07", "http://127.0.0.1:8000"),
        Rule.Row("WLEP-07", "npipe:workload"),
        Rule.Row("WLEP-08", "unix://run/workload.sock"),
        Rule.Row("WLEP-08", "unix:run/workload.sock"),
        Rule.Row("WLEP-08", "unix://user@/run/workload.sock"),
        Rule.Row("WLEP-08", "unix:///run/workload.sock?mode=rw"),
        Rule.Row("WLEP-08", "unix:///run/workload.sock#x"),
        Rule.Row("WLEP-08", "unix://"),
        Rule.Row("WLEP-09", "tcp://localhost:8000"),
        Rule.Row("WLEP-09", "tcp://127.0.0.1"),
        Rule.Row("WLEP-09", "tcp://127.0.0.1:8000/path"),
        Rule.Row("WLEP-09", "tcp://127.0.0.1:8000?x"),
        Rule.Row("WLEP-09", "tcp://user@127.0.0.1:8000"),
        Rule.Row("WLEP-09", "tcp://127.0.0.1:65536"),
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
    public void Is_refused(string text) => Assert.False(WorkloadEndpoint.TryParse(text, out _, out _));

    [Theory]
    [MemberData(nameof(Allowed))]
    public void Is_accepted(string text) => Assert.True(WorkloadEndpoint.TryParse(text, out _, out var problem), problem);
}
