using Identity.Server.DecisionPoints;

namespace Identity.Tests.Server.DecisionPoints;

public sealed class ReplySubjectTests
{
    private static readonly WasmCloudOptions Options = new(
        new Uri("nats://127.0.0.1:4222"), null, null, null, null, "wasmcloud.policy", "_INBOX.changes", "_gate.host", "runtime.host", "identity.refusals");

    [Theory]
    [InlineData("_INBOX.x7k2.1")]
    [InlineData("_INBOX_host1.x7k2")]
    [InlineData("_R_.x7k2")]
    [InlineData("_GR_.cluster.hash._INBOX.x7k2")]
    [InlineData("_INBOX.changesX")]
    public void An_inbox_is_answered(string subject) => Assert.True(ReplySubject.IsInbox(subject, Options));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("_INBOX")]
    [InlineData("wasmcloud.policy")]
    [InlineData("wasmcloud.policy.changes")]
    [InlineData("identity.refusals")]
    [InlineData("runtime.host.h1.workload.start")]
    [InlineData("$SYS.REQ.SERVER.PING")]
    [InlineData("$JS.API.STREAM.DELETE.ORDERS")]
    [InlineData("orders.new")]
    [InlineData("_INBOX.changes")]
    [InlineData("_INBOX.changes.more")]
    [InlineData("_gate.host.h1.workload.start")]
    [InlineData("_INBOX.>")]
    [InlineData("_INBOX.*")]
    public void Nothing_else_is(string? subject) => Assert.False(ReplySubject.IsInbox(subject, Options));

    [Fact]
    public void Nor_what_is_longer_than_an_inbox_can_be() => Assert.False(ReplySubject.IsInbox("_INBOX." + new string('x', 1024), Options));
}
