// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>What an author tries whose role is about the policies shop and shop.* and components below …/components/shop.</summary>
public sealed class PolicyRoleAttackTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";
    private const string Mallory = "spiffe://example.org/people/mallory";

    private RegistryServer _server = null!;
    private PolicyWriter _admin = null!;
    private PolicyWriter _ann = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _admin = new PolicyWriter(_server.Admin);
        await _admin.ApplyAsync(Role("shop-team", Ann));
        _ann = new PolicyWriter(await _server.AsAsync(Ann));
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("shop")]
    [InlineData("shop.checkout")]
    [InlineData("shop.checkout.v2")]
    public async Task Writes_and_deletes_within_the_role(string name)
    {
        await _ann.ApplyAsync(Permit(name, $"{{ spiffeId: {Shop}/cart }}"));
        Assert.Equal(Ann, (await _ann.Client.ListPoliciesAsync(new())).Policies.Single().Author);
        await _ann.DeleteAsync(name);
        Assert.Empty(_server.Ledger.State.Policies);
    }

    [Theory]
    [InlineData("shop2")]
    [InlineData("shop-checkout")]
    [InlineData("shopping.x")]
    [InlineData("Shop")]
    [InlineData("SHOP.x")]
    [InlineData("guard")]
    [InlineData("x.shop")]
    public async Task Writes_no_policy_of_another_name(string name) => await RefusedAsync(() => _ann.ApplyAsync(Permit(name)), StatusCode.PermissionDenied);

    [Theory]
    [InlineData("shоp")] // Cyrillic о
    [InlineData("ѕhop")] // Cyrillic ѕ
    [InlineData("shop\u200b")]
    [InlineData("shop\u202e.x")]
    [InlineData("ｓｈｏｐ")]
    [InlineData("shop․x")] // one dot leader
    [InlineData("shop/x")]
    [InlineData("shop.x\u0000")]
    [InlineData("s\u0068\u0301op")]
    public async Task Writes_no_policy_whose_name_only_looks_right(string name)
    {
        await RefusedAsync(() => _ann.ApplyAsync(Permit($"\"{name}\"")), StatusCode.InvalidArgument);
        await RefusedAsync(() => _admin.ApplyAsync(Permit($"\"{name}\"")), StatusCode.InvalidArgument);
    }

    [Theory]
    [InlineData("{ spiffeId: spiffe://example.org/components/bank }")]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/components }")]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org }")]
    [InlineData("{ spiffeIdPrefix: spiffe://example.org/components/shop2 }")]
    [InlineData("{ spiffeId: spiffe://example.org/components/shopper }")]
    [InlineData("{ spiffeId: spiffe://other.example/components/shop }")]
    [InlineData("{ digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }")]
    [InlineData("{ host: spiffe://example.org/components/shop/host }")]
    [InlineData("{ hostPrefix: spiffe://example.org/components/shop }")]
    [InlineData("{ spiffeId: spiffe://example.org/components/shop }, { spiffeId: spiffe://example.org/components/bank }")]
    public async Task Gives_nothing_to_anybody_else(string subjects)
    {
        await RefusedAsync(() => _ann.ApplyAsync(Permit("shop", subjects)), StatusCode.PermissionDenied);
        await RefusedAsync(() => _ann.ApplyAsync(Forbid("shop", subjects)), StatusCode.PermissionDenied);
        await RefusedAsync(() => _ann.ProposeAsync(Permit("shop", subjects)), StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task Smuggles_nothing_in_beside_something_that_may_be()
    {
        var refused = await RefusedAsync(() => _ann.ApplyAsync(Permit("shop"), Permit("guard")), StatusCode.PermissionDenied);
        Assert.Contains("'guard'", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Empty(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Deletes_and_replaces_nothing_outside()
    {
        await _admin.ApplyAsync(Forbid("guard", "{ spiffeIdPrefix: spiffe://example.org }"));
        await RefusedAsync(() => _ann.DeleteAsync("guard"), StatusCode.PermissionDenied);
        await RefusedAsync(() => _ann.ApplyAsync(Permit("guard")), StatusCode.PermissionDenied);
        Assert.Single(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Lifts_no_forbid_on_others_that_an_administrator_wrote_into_a_policy_of_the_roles_name()
    {
        await _admin.ApplyAsync(Forbid("shop.guard", "{ spiffeIdPrefix: spiffe://example.org/components }"));
        await RefusedAsync(() => _ann.DeleteAsync("shop.guard"), StatusCode.PermissionDenied);
        await RefusedAsync(() => _ann.ApplyAsync(Permit("shop.guard")), StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task Rolls_back_nothing_outside()
    {
        var before = _server.Ledger.State.Revision;
        var seen = await _admin.ApplyAsync(Forbid("guard"));
        await RefusedAsync(
            () => _ann.Client.RollbackAsync(new() { ToRevision = before, ExpectedRevision = seen.Revision, Reason = "mine" }).ResponseAsync, StatusCode.PermissionDenied);
        Assert.Single(_server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Learns_by_no_repetition_of_what_is_in_force_that_it_may_be_written()
    {
        await _admin.ApplyAsync(Forbid("guard"));
        await RefusedAsync(() => _ann.ApplyAsync(Forbid("guard")), StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task Changes_no_role()
    {
        await RefusedAsync(() => _ann.ApplyAsync(Role("shop-team", Ann, "['*']", "any")), StatusCode.PermissionDenied);
        await RefusedAsync(() => _ann.ApplyAsync(Role("shop", Ann)), StatusCode.PermissionDenied);
        await RefusedAsync(() => _ann.ProposeAsync(Role("shop", Ann)), StatusCode.PermissionDenied);
        await RefusedAsync(() => _ann.Client.DeletePoliciesAsync(new() { Roles = { "shop-team" } }).ResponseAsync, StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task May_nothing_any_more_once_the_role_is_gone_on_the_same_connection()
    {
        await _ann.ApplyAsync(Permit("shop"));
        await _admin.Client.DeletePoliciesAsync(new() { Roles = { "shop-team" } });
        await RefusedAsync(() => _ann.ApplyAsync(Forbid("shop")), StatusCode.PermissionDenied);
        await RefusedAsync(async () => await _ann.Client.ListPoliciesAsync(new()), StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task Calls_nothing_but_policy_and_explanations()
    {
        var invoker = await _server.AsAsync(Ann);
        await RefusedAsync(async () => await new Control.ControlClient(invoker).GetStatusAsync(new()), StatusCode.PermissionDenied);
        await RefusedAsync(async () => await new AgentClient(invoker).CreateJoinTokenAsync(new() { Ttl = 60 }), StatusCode.PermissionDenied);
        await new Explain.ExplainClient(invoker).ListDecisionsAsync(new());
    }

    [Fact]
    public async Task Gives_no_label_within_a_namespace_for_where_none_is_told_it_would_be_everybodys()
    {
        await _admin.ApplyAsync(
            Role("shop-space", Ann, "[space]", "[{ namespace: shop }]") + "\nlabels: [tier]",
            Forbid("guard", "{ labels: { tier: closed } }", "{ connect: \"api.example.com:443\" }"),
            Permit("bank", "{ spiffeId: spiffe://example.org/components/bank }", "{ connect: \"api.example.com:443\" }"));
        const string Label = "\nlabels: [{ name: tier, value: closed, subjects: [{ namespace: shop }] }]";
        var refused = await RefusedAsync(() => _ann.ApplyAsync(Permit("space", "{ namespace: shop }") + Label), StatusCode.PermissionDenied);
        Assert.Contains("the label 'tier'", refused.Status.Detail, StringComparison.Ordinal);
        // The bank is asked about where nobody tells its namespace.
        var question = new DecideAtRequest { SpiffeId = "spiffe://example.org/components/bank", Request = "connect api.example.com:443" };
        Assert.True((await _admin.Client.DecideAtAsync(question)).Allowed);
        await _admin.ApplyAsync(Permit("space", "{ namespace: shop }") + Label);
        Assert.False((await _admin.Client.DecideAtAsync(question)).Allowed);
    }

    [Fact]
    public async Task Nobody_mints_what_a_role_names()
    {
        var refused = await RefusedAsync(() => _server.MintAsync(Ann), StatusCode.InvalidArgument);
        Assert.Contains("'shop-team'", refused.Status.Detail, StringComparison.Ordinal);
        await _server.MintAsync(Mallory);
        await _admin.Client.DeletePoliciesAsync(new() { Roles = { "shop-team" } });
        await _server.MintAsync(Ann);
    }

    [Fact]
    public async Task Nobody_whom_no_role_names_comes_in()
    {
        await RefusedAsync(async () => await new PolicyWriter(await _server.AsAsync(Mallory)).Client.ListPoliciesAsync(new()), StatusCode.PermissionDenied);
        await RefusedAsync(async () => await new PolicyWriter(_server.Anonymous).Client.ListPoliciesAsync(new()), StatusCode.PermissionDenied);
        await RefusedAsync(async () => await new PolicyWriter((await _server.AttestAsync()).Invoker).Client.ListPoliciesAsync(new()), StatusCode.PermissionDenied);
    }

    [Theory]
    [InlineData("unix:01000")]
    [InlineData("unix:-1")]
    [InlineData("unix:4294967295")]
    [InlineData("unix:4294967296")]
    [InlineData("unix: 1000")]
    [InlineData("unix:１０００")]
    [InlineData("Unix:1000")]
    [InlineData("1000")]
    [InlineData("spiffe://example.org")]
    [InlineData("spiffe://example.org/people/аnn")]
    [InlineData("spiffe://example.org/people/*")]
    public async Task No_role_names_somebody_who_is_nobody(string member) =>
        await RefusedAsync(() => _admin.ApplyAsync(Role("odd", $"\"{member}\"")), StatusCode.InvalidArgument);

    [Theory]
    [InlineData("shop*")]
    [InlineData("*.shop")]
    [InlineData("shop.*.x")]
    [InlineData(".*")]
    [InlineData("shop..*")]
    [InlineData("")]
    public async Task No_role_is_about_half_a_segment(string pattern) =>
        await RefusedAsync(() => _admin.ApplyAsync(Role("odd", "unix:4242", $"[\"{pattern}\"]")), StatusCode.InvalidArgument);

    [Fact]
    public async Task Another_user_of_the_machine_is_let_in_by_a_role_and_only_then()
    {
        Assert.SkipUnless(OtherUser.IsPossible, "needs root");
        using var folder = new TemporaryFolder();
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0b111_101_101);
        await using var server = await RegistryServer.StartAsync(("admin-socket", folder.At("admin.sock")));
        var admin = new PolicyWriter(server.Admin);
        await Assert.ThrowsAsync<RpcException>(async () => await new PolicyWriter(server.AsUser(4242)).Client.ListPoliciesAsync(new()));

        await admin.ApplyAsync(Role("shop-team", "unix:4242"));
        await WaitForModeAsync(folder.At("admin.sock"), openToOthers: true);
        var user = new PolicyWriter(server.AsUser(4242));
        await user.ApplyAsync(Permit("shop"));
        Assert.Equal("unix:4242", server.Ledger.State.Policies["shop"].Author);
        await RefusedAsync(() => user.ApplyAsync(Permit("guard")), StatusCode.PermissionDenied);
        await Assert.ThrowsAsync<RpcException>(async () => await new PolicyWriter(server.AsUser(4243)).Client.ListPoliciesAsync(new()));

        await admin.Client.DeletePoliciesAsync(new() { Roles = { "shop-team" } });
        await WaitForModeAsync(folder.At("admin.sock"), openToOthers: false);
        await RefusedAsync(async () => await user.Client.ListPoliciesAsync(new()), StatusCode.PermissionDenied);
    }

    private static async Task WaitForModeAsync(string socket, bool openToOthers)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (File.GetUnixFileMode(socket).HasFlag(UnixFileMode.OtherWrite) != openToOthers)
        {
            await Task.Delay(10, deadline.Token);
        }
    }

    private static async Task<RpcException> RefusedAsync(Func<Task> call, StatusCode code)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(call);
        Assert.Equal(code, refused.StatusCode);
        return refused;
    }
}
