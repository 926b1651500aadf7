using System.Net;
using System.Net.Sockets;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

public sealed class WorkloadEndpointTests
{
    [Trait("rule", "WLEP-07")]
    [Trait("rule", "WLEP-08")]
    [Theory]
    [InlineData("unix:///run/spire/agent.sock", "/run/spire/agent.sock")]
    [InlineData("unix:/run/agent.sock", "/run/agent.sock")]
    [InlineData("UNIX:///run/agent.sock", "/run/agent.sock")]
    [InlineData("unix:///run/a%20b.sock", "/run/a b.sock")]
    public void Reads_an_absolute_socket_path(string text, string path)
    {
        var endpoint = WorkloadEndpoint.Parse(text);
        Assert.Equal(path, Assert.IsType<UnixDomainSocketEndPoint>(endpoint.Address).ToString());
        Assert.Equal(text, endpoint.ToString());
    }

    [Trait("rule", "WLEP-07")]
    [Trait("rule", "WLEP-09")]
    [Theory]
    [InlineData("tcp://127.0.0.1:8000", "127.0.0.1", 8000)]
    [InlineData("tcp://[::1]:65535", "::1", 65535)]
    public void Reads_an_ip_address_and_a_port(string text, string ip, int port) =>
        Assert.Equal(new IPEndPoint(IPAddress.Parse(ip), port), WorkloadEndpoint.Parse(text).Address);

    [Trait("rule", "WLEP-07")]
    [Trait("rule", "WLEP-08")]
    [Trait("rule", "WLEP-09")]
    [Theory]
    [InlineData(null, "not set")]
    [InlineData("", "not set")]
    [InlineData("/run/agent.sock", "its scheme is neither unix nor tcp")]
    [InlineData("http://127.0.0.1:80", "its scheme is neither unix nor tcp")]
    [InlineData("http:///run/agent.sock", "its scheme is neither unix nor tcp")]
    [InlineData(" unix:///run/agent.sock", "percent-encoded")]
    [InlineData("unix:///run/a b.sock", "percent-encoded")]
    [InlineData("unix:", "absolute path")]
    [InlineData("unix:///", "absolute path")]
    [InlineData("unix:run/agent.sock", "absolute path")]
    [InlineData("unix://run/agent.sock", "authority")]
    [InlineData("unix://localhost/run/agent.sock", "authority")]
    [InlineData("unix:///run/agent.sock?x=1", "query")]
    [InlineData("unix:///run/agent.sock#x", "fragment")]
    [InlineData("unix:///run/%zz.sock", "'%'")]
    [InlineData("unix:///run/%00.sock", "'%'")]
    [InlineData("unix:///run/%ff.sock", "'%'")]
    [InlineData("unix:///run/%2", "'%'")]
    [InlineData("tcp:127.0.0.1:80", "IP address")]
    [InlineData("tcp://127.0.0.1", "port")]
    [InlineData("tcp://[::1]", "port")]
    [InlineData("tcp://127.0.0.1:", "port")]
    [InlineData("tcp://127.0.0.1:0", "port")]
    [InlineData("tcp://127.0.0.1:65536", "port")]
    [InlineData("tcp://127.0.0.1:+80", "port")]
    [InlineData("tcp://localhost:80", "not an IP address")]
    [InlineData("tcp://127.1:80", "not an IP address")]
    [InlineData("tcp://::1:80", "not an IP address")]
    [InlineData("tcp://[127.0.0.1]:80", "not an IP address")]
    [InlineData("tcp://127.0.0.1:80/", "no path")]
    [InlineData("tcp://127.0.0.1:8000/foo", "no path")]
    [InlineData("tcp://me@127.0.0.1:80", "no user")]
    [InlineData("tcp://127.0.0.1:80?x", "query")]
    public void Refuses_and_says_why(string? text, string reason)
    {
        Assert.False(WorkloadEndpoint.TryParse(text, out _, out var problem));
        Assert.Contains(reason, problem, StringComparison.Ordinal);
        Assert.Contains("expected unix:///absolute/path or tcp://ip:port", problem, StringComparison.Ordinal);
    }

    [Trait("rule", "WLEP-08")]
    [Fact]
    public void Refuses_a_path_that_does_not_fit_a_socket_address()
    {
        Assert.True(WorkloadEndpoint.TryParse("unix:///" + new string('a', 106), out _, out _));
        Assert.False(WorkloadEndpoint.TryParse("unix:///" + new string('a', 107), out _, out var problem));
        Assert.Contains("108 bytes", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Does_not_repeat_control_characters() =>
        Assert.DoesNotContain('\n', Assert.Throws<FormatException>(() => WorkloadEndpoint.Parse("unix:///a\nb")).Message);
}
