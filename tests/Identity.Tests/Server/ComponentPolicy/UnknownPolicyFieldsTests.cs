// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Google.Protobuf;
using Grpc.Core;
using Identity.Server.ComponentPolicy;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>A client that is newer than the server says more than it understands.</summary>
public sealed class UnknownPolicyFieldsTests
{
    // Field 1000, a varint: what a condition of a later version could look like.
    private static readonly byte[] FromTheFuture = [0xc0, 0x3e, 0x01];

    public static TheoryData<string> Places => ["request", "source", "document", "label", "rule", "subject", "capability", "ceilings"];

    [Theory]
    [MemberData(nameof(Places))]
    public async Task Refuses_a_request_that_says_something_it_does_not_know(string place)
    {
        await using var server = await RegistryServer.StartAsync();
        var admin = new PolicyWriter(server.Admin);

        var refused = await Assert.ThrowsAsync<RpcException>(() => admin.Client.ApplyPoliciesAsync(Request(place)).ResponseAsync);

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Contains("fields that this server does not know", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Empty(server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Refuses_them_where_a_change_is_proposed_staged_deleted_or_rolled_back_too()
    {
        await using var server = await RegistryServer.StartAsync();
        var admin = new PolicyWriter(server.Admin);
        await admin.Client.ApplyPoliciesAsync(Request(""));
        var (revision, source) = (server.Ledger.State.Revision, Source("rule"));

        await RefusedAsync(() => admin.Client.ProposeAsync(new() { Documents = { source }, Reason = "a test" }).ResponseAsync);
        await RefusedAsync(() => admin.Client.StageAsync(new() { Documents = { source }, Reason = "a test" }).ResponseAsync);
        await RefusedAsync(() => admin.Client.DeletePoliciesAsync(Newer(new DeletePoliciesRequest { Names = { "shop" }, Reason = "a test" })).ResponseAsync);
        await RefusedAsync(() => admin.Client.RollbackAsync(Newer(new RollbackRequest { Reason = "a test", ExpectedRevision = revision })).ResponseAsync);
        Assert.Equal(revision, server.Ledger.State.Revision);
    }

    [Fact]
    public void Counts_nothing_in_what_it_knows() => Assert.Equal(0, UnknownFieldGate.CountUnknownBytes(Request("")));

    private static async Task RefusedAsync(Func<Task> call) =>
        Assert.Contains("fields that this server does not know", (await Assert.ThrowsAsync<RpcException>(call)).Status.Detail, StringComparison.Ordinal);

    private static ApplyPoliciesRequest Request(string place)
    {
        var request = new ApplyPoliciesRequest { Reason = "a test", Documents = { Source(place) } };
        return place == "request" ? Newer(request) : request;
    }

    private static PolicySource Source(string place)
    {
        var rule = new PolicyRule
        {
            Name = "only",
            Effect = PolicyRule.Types.Effect.Permit,
            Subjects = { At("subject", new PolicySubject { SpiffeIdPrefix = TestPolicies.Shop }) },
            Capabilities = { At("capability", new PolicyCapability { Kind = "start" }) },
            Ceilings = At("ceilings", new PolicyCeilings { Memory = "64MiB" }),
        };
        var document = new CapabilityPolicyDocument
        {
            Name = "shop",
            Labels = { At("label", new PolicyLabel { Name = "team", Value = "shop", Subjects = { new PolicySubject { SpiffeIdPrefix = TestPolicies.Shop } } }) },
            Rules = { At("rule", rule) },
        };
        return At("source", new PolicySource { Document = At("document", document) });

        T At<T>(string name, T message) where T : IMessage<T> => name == place ? Newer(message) : message;
    }

    private static T Newer<T>(T message) where T : IMessage<T> => (T)message.Descriptor.Parser.ParseFrom([.. message.ToByteArray(), .. FromTheFuture]);
}
