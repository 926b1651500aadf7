// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.Policy;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using PolicyRule = Identity.V1.PolicyRule;
using PolicySubject = Identity.V1.PolicySubject;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Policies that come as messages are policies like any other: kept, shown, judged and refused alike.</summary>
public sealed class PolicyMessagesAppliedTests : PolicyServerTest
{
    private const string Ann = "spiffe://example.org/people/ann";

    [Fact]
    public async Task Is_in_force_and_shown_as_the_document_that_says_the_same()
    {
        var applied = await ApplyAsync(_admin, Shop("shop"));

        Assert.Equal([PolicyChange.Types.Kind.Created], applied.Changes.Select(change => change.Kind));
        var shown = Assert.Single((await _admin.Client.ListPoliciesAsync(new())).Policies);
        Assert.True(PolicyParser.TryParse(shown.Text, out var document, out var problems), string.Join('\n', problems ?? []));
        Assert.Equal(("shop", "natsPublish orders.new"), (document.Name, document.Rules[0].Capabilities[0].ToString()));
        var decided = await _admin.Client.DecideAtAsync(new() { SpiffeId = $"{TestPolicies.Shop}/cart", Request = "natsPublish orders.new" });
        Assert.Equal((true, "shop/only"), (decided.Allowed, decided.Rule));
    }

    [Fact]
    public async Task The_same_messages_again_change_nothing_and_other_ones_replace_them()
    {
        var first = await ApplyAsync(_admin, Shop("shop"));
        var again = await ApplyAsync(_admin, Shop("shop"));
        Assert.Equal((first.Revision, PolicyChange.Types.Kind.Unchanged), (again.Revision, again.Changes.Single().Kind));
        var other = Shop("shop");
        other.Rules[0].Effect = PolicyRule.Types.Effect.Forbid;
        Assert.Equal(PolicyChange.Types.Kind.Updated, (await ApplyAsync(_admin, other)).Changes.Single().Kind);
    }

    [Fact]
    public async Task Messages_and_text_go_together_in_one_request_all_or_nothing()
    {
        var request = new ApplyPoliciesRequest { Reason = "a test" };
        request.Documents.Add(new PolicySource { Document = Shop("shop") });
        request.Documents.Add(new PolicySource { Text = Permit("bank") });
        await _admin.Client.ApplyPoliciesAsync(request);
        Assert.Equal(["bank", "shop"], _server.Ledger.State.Policies.Keys);

        request.Documents[0].Document.Name = "third";
        request.Documents[1].Text = "kind: Nonsense";
        await RefusedAsync(request, "document 2");
        Assert.Equal(["bank", "shop"], _server.Ledger.State.Policies.Keys);
    }

    public static TheoryData<Action<ApplyPoliciesRequest>, string> Refused => new()
    {
        { request => request.Documents[0].Text = Permit("shop"), "as text and as messages" },
        { request => request.Documents[0].Document = new CapabilityPolicyDocument(), "document 1" },
        { request => request.Documents[0].Document.Name = "my shop", "'my shop'" },
        { request => request.Documents[0].Document.Name = "shop'\nkind: PolicyRole\n#", "document 1" },
        { request => request.Documents[0].Document.Rules.Clear(), "rules" },
        { request => request.Documents[0].Document.Rules[0].Effect = PolicyRule.Types.Effect.Unspecified, "has no effect" },
        { request => request.Documents[0].Document.Rules[0].Mode = (PolicyRule.Types.Mode)77, "mode 77" },
        { request => request.Documents[0].Document.Rules[0].Subjects.Clear(), "subjects" },
        { request => request.Documents[0].Document.Rules[0].Subjects[0].SpiffeIdPrefix = "", "subject" },
        { request => request.Documents[0].Document.Rules[0].Subjects[0].SpiffeIdPrefix = "spiffe://ex\u0430mple.org", "document 1" },
        { request => request.Documents[0].Document.Rules[0].Capabilities.Clear(), "capabilities" },
        { request => request.Documents[0].Document.Rules[0].Capabilities[0].Value = ">", "begins with a wildcard" },
        { request => request.Documents[0].Document.Rules[0].Capabilities[0].Kind = "everything", "unknown capability" },
        { request => request.Documents[0].Document.Rules[0].Expires = new() { Seconds = 4_000_000_000 }, "reason" },
        { request => request.Documents[0].Document.Rules[0].Reason = new string('x', 2 << 20), "more than" },
        { request => request.Documents[0].Document.Rules.Add(request.Documents[0].Document.Rules[0]), "only" },
        { request => request.Documents.Add(new PolicySource { Document = Shop("shop") }), "name of another document" },
        { request => request.Documents.Add(new PolicySource()), "document 2" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Refuses_messages_as_it_refuses_documents_and_changes_nothing(Action<ApplyPoliciesRequest> spoil, string why)
    {
        var request = new ApplyPoliciesRequest { Reason = "a test", Documents = { new PolicySource { Document = Shop("shop") } } };
        spoil(request);
        await RefusedAsync(request, why);
        Assert.Empty(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task A_role_binds_messages_as_it_binds_documents()
    {
        await _admin.ApplyAsync(Role("team", Ann, approvals: 1));
        var ann = new PolicyWriter(await _server.AsAsync(Ann));
        Assert.Equal(StatusCode.PermissionDenied, (await Assert.ThrowsAsync<RpcException>(() => ApplyAsync(ann, Shop("bank")))).StatusCode);
        var wide = Shop("shop");
        wide.Rules[0].Subjects[0].SpiffeIdPrefix = "spiffe://example.org";
        Assert.Equal(StatusCode.PermissionDenied, (await Assert.ThrowsAsync<RpcException>(() => ApplyAsync(ann, wide))).StatusCode);
        Assert.NotNull((await ApplyAsync(ann, Shop("shop"))).Proposal);
        Assert.Empty(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Proposals_and_staged_changes_take_messages_too()
    {
        var source = new PolicySource { Document = Shop("shop") };
        var proposal = await _admin.Client.ProposeAsync(new() { Reason = "a test", Documents = { source } });
        Assert.Contains("name: 'shop'", proposal.Documents.Single().Text, StringComparison.Ordinal);
        var staged = await _admin.Client.StageAsync(new() { Reason = "a test", SoakSeconds = 3600, Documents = { source } });
        Assert.Equal(["shop"], staged.Changes.Select(change => change.Name));
    }

    private async Task RefusedAsync(ApplyPoliciesRequest request, string why)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await _admin.Client.ApplyPoliciesAsync(request));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Contains(why, refused.Status.Detail, StringComparison.Ordinal);
        Assert.StartsWith("nothing was changed", refused.Status.Detail, StringComparison.Ordinal);
    }

    private static async Task<ApplyPoliciesResponse> ApplyAsync(PolicyWriter by, CapabilityPolicyDocument document) =>
        await by.Client.ApplyPoliciesAsync(new() { Reason = "a test", Documents = { new PolicySource { Document = document } } });

    private static CapabilityPolicyDocument Shop(string name) => new()
    {
        Name = name,
        Rules =
        {
            new PolicyRule
            {
                Name = "only",
                Effect = PolicyRule.Types.Effect.Permit,
                Subjects = { new PolicySubject { SpiffeIdPrefix = TestPolicies.Shop } },
                Capabilities = { new PolicyCapability { Kind = "natsPublish", Value = "orders.new" } },
            },
        },
    };
}
