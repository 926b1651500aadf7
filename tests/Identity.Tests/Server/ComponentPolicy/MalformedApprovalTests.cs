// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>An approval that is none is the caller's mistake, and the caller is told so.</summary>
public sealed class MalformedApprovalTests : PolicyServerTest
{
    [Theory]
    [InlineData("")]
    [InlineData("xyz")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("0")]
    [InlineData("\ud83d\ude00")]
    public async Task A_hash_that_is_none_is_refused_as_such(string hash)
    {
        var asked = await _admin.ProposeAsync(Permit("shop"));
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await _admin.Client.ApproveAsync(new() { Id = asked.Id, Hash = hash }));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }

    [Theory]
    [InlineData("Approve", new byte[] { 0x0a, 0xff })]
    [InlineData("Approve", new byte[] { 0x0a, 0x02, 0xc3, 0x28 })]
    [InlineData("ApplyPolicies", new byte[] { 0x07 })]
    [InlineData("ListPolicies", new byte[] { 0xff, 0xff, 0xff })]
    public async Task Bytes_that_are_no_request_are_refused_as_such(string name, byte[] request)
    {
        var bytes = new Marshaller<byte[]>(message => message, message => message);
        var method = new Method<byte[], byte[]>(MethodType.Unary, "identity.v1.PolicyAdmin", name, bytes, bytes);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await _server.Admin.AsyncUnaryCall(method, null, new CallOptions(), request));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }

    [Fact]
    public async Task Somebody_whom_no_role_names_is_told_that_and_nothing_of_agents()
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await new PolicyWriter(await _server.AsAsync("spiffe://example.org/people/zoe")).Client.ListPoliciesAsync(new()));
        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
        Assert.EndsWith("is for administrators and those whom a PolicyRole names, and none names spiffe://example.org/people/zoe", refused.Status.Detail, StringComparison.Ordinal);
    }
}
