using Grpc.Core;
using Identity.Agent.Endpoints;

namespace Identity.Tests.Agent;

public sealed class StreamBoundsTests
{
    [Fact]
    public void Gives_each_caller_its_share_and_no_more_until_one_leaves()
    {
        var bounds = new StreamBounds(2);
        var first = bounds.Enter("a");
        bounds.Enter("a");
        Assert.Equal(StatusCode.Unavailable, Assert.Throws<RpcException>(() => bounds.Enter("a")).StatusCode);
        bounds.Enter("b");
        first.Dispose();
        first.Dispose(); // Counted once.
        bounds.Enter("a");
        Assert.Throws<RpcException>(() => bounds.Enter("a"));
    }
}
