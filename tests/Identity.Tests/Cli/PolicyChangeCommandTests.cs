// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Cli;
using Identity.Tests.Server.ComponentPolicy;
using static Identity.Tests.Cli.CliServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Cli;

/// <summary><c>identity policy propose, approve, withdraw, stage</c>: what a person types, and what they read.</summary>
public sealed class PolicyChangeCommandTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";

    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task Two_people_propose_approve_withdraw_and_list()
    {
        await _cli.Policies.ApplyAsync(Role("shop-team", $"{Ann}", approvals: 1));
        var ann = new PolicyWriter(await _cli.Server.AsAsync(Ann));
        var asked = (await ann.ApplyAsync(Permit("shop", capability: Narrow))).Proposal;

        Assert.Contains("0 of 1", (await _cli.RunAsync("policy", "proposals")).Output, StringComparison.Ordinal);
        var (_, whole, _) = await _cli.RunAsync("policy", "proposals", asked.Id);
        Assert.Contains("1 approval is needed", whole, StringComparison.Ordinal);
        Assert.Contains($"identity policy approve {asked.Id} --hash {asked.Hash}", whole, StringComparison.Ordinal);
        Assert.Contains("kind: CapabilityPolicy", whole, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Conflict, (await _cli.RunAsync("policy", "approve", asked.Id, "--hash", new string('0', 64))).Code);
        var (code, output, _) = await _cli.RunAsync("policy", "approve", asked.Id, "--hash", asked.Hash);
        Assert.Equal((ExitCode.Ok, $"{asked.Id} is in force since revision {_cli.Server.Ledger.State.Revision}\n"), (code, output));

        var mine = await ProposedAsync();
        Assert.Equal((ExitCode.Ok, $"{mine} is withdrawn\n", ""), await _cli.RunAsync("policy", "withdraw", mine));
        Assert.Equal("Nothing waits for approval.\n", (await _cli.RunAsync("policy", "proposals")).Output);
        Assert.Equal(ExitCode.NotFound, (await _cli.RunAsync("policy", "proposals", mine)).Code);
        Assert.Contains("name: shop-team", (await _cli.RunAsync("policy", "roles")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_a_change_without_a_reason_the_ledger_keeps_what_was_typed_and_nothing_made_up()
    {
        var file = _cli.Write("shop.yaml", System.Text.Encoding.UTF8.GetBytes(Permit("shop", capability: Narrow)));
        await _cli.RunAsync("apply", "-f", file);
        Assert.Equal("identity apply -f shop.yaml", await NewestReasonAsync());
        await _cli.RunAsync("delete", "-f", file, "--reason", "closed");
        Assert.Equal("closed", await NewestReasonAsync());
        await _cli.RunAsync("apply", "-f", file, "--reason", "open again");
        await _cli.RunAsync("policy", "delete", "shop");
        Assert.Equal("identity policy delete shop", await NewestReasonAsync());

        // Who speaks to the server past the command line, and says nothing.
        await _cli.Policies.Client.ApplyPoliciesAsync(new() { Documents = { new Identity.V1.PolicySource { Text = Permit("shop", capability: Wide) } } });
        Assert.Equal("no reason given", await NewestReasonAsync());
    }

    [Fact]
    public async Task What_is_staged_is_told_as_what_it_would_do_until_it_has_done_it()
    {
        await _cli.AppliedAsync(Permit("shop"));
        var (code, output, error) = await _cli.RunAsync(
            "policy", "stage", "-f", _cli.Write("both.yaml", Permit("shop", capability: "start, { config: a }") + "\n---\n" + Forbid("guard", capability: "{ connect: \"a.example:1\" }")), "--soak", "1h", "--reason", "why");
        Assert.True(code == ExitCode.Ok, error);
        Assert.Contains("CapabilityPolicy guard would be created\n", output, StringComparison.Ordinal);
        Assert.Contains("CapabilityPolicy shop would be updated\n", output, StringComparison.Ordinal);
        Assert.DoesNotContain("guard", (await _cli.RunAsync("policy", "list")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("import wasi:io/poll", true)]
    [InlineData("import wasi:io/poll@0.2.0", false)]
    [InlineData("connect a.example:1", false)]
    public async Task A_question_about_an_import_without_version_is_told_the_form(string request, bool isTold)
    {
        var (code, output, _) = await _cli.RunAsync(["policy", "decide", CliServer.Cart, .. request.Split(' ')]);
        Assert.Equal(ExitCode.Refused, code);
        Assert.Equal(isTold, output.Contains("ask about wasi:io/poll@VERSION", StringComparison.Ordinal));
    }

    [Fact]
    public void A_socket_that_may_not_be_reached_is_no_server_that_is_away()
    {
        var denied = new HttpRequestException("x", new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.AccessDenied));
        Assert.Contains("permission denied at /run/x.sock", CommandRunner.WhyNoAnswer(denied, "/run/x.sock"), StringComparison.Ordinal);
        Assert.Contains("no server answers", CommandRunner.WhyNoAnswer(new HttpRequestException("x", new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.ConnectionRefused)), "/run/x.sock"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_staged_change_that_needs_approval_says_what_to_do_next_at_every_step()
    {
        await _cli.Policies.ApplyAsync(Permit("shop", capability: Narrow), Role("shop-team", Ann, approvals: 1));
        var ann = new PolicyWriter(await _cli.Server.AsAsync(Ann));
        var request = new Identity.V1.StageRequest { Reason = "wider", SoakSeconds = 5400, Documents = { new Identity.V1.PolicySource { Text = Permit("shop.more", capability: Wide) } } };
        var asked = (await ann.Client.StageAsync(request)).Proposal;

        Assert.Contains("once approved it is tried on what runs, 90m in each of shadow, warn, enforce", (await _cli.RunAsync("policy", "proposals", asked.Id)).Output, StringComparison.Ordinal);
        var (_, approved, _) = await _cli.RunAsync("policy", "approve", asked.Id, "--hash", asked.Hash);
        var id = _cli.Server.Ledger.State.Governance.Stages.Keys.Single();
        Assert.Equal($"{asked.Id} is approved, and is tried as {id}: identity policy stage status {id}\n", approved);
        var (_, status, _) = await _cli.RunAsync("policy", "stage", "status", id);
        Assert.StartsWith($"{id} soaks in step shadow (shadow, warn, enforce) until ", status, StringComparison.Ordinal);
        Assert.Contains("approved by unix:", status, StringComparison.Ordinal);
        Assert.Contains("is aborted", (await _cli.RunAsync("policy", "stage", "abort", id, "--reason", "enough")).Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Refused, (await _cli.RunAsync("policy", "stage", "abort", id)).Code);
        Assert.Equal(ExitCode.NotFound, (await _cli.RunAsync("policy", "stage", "status", "s-x")).Code);
    }

    [Fact]
    public async Task What_nobody_can_prove_to_run_is_denied_once_as_many_are_confirmed()
    {
        await using var cli = await CliServer.StartAsync(("wasmcloud-nats-url", "nats://127.0.0.1:1"), ("wasmcloud-gate-prefix", "gate.runtime.host"));
        await cli.AppliedAsync(Permit("more", "{ namespace: shop }"));
        var book = cli.Server.Service<Identity.Server.DecisionPoints.WasmCloudV2.AllowedWorkloads>();
        foreach (var name in (string[])["cart", "till"])
            await book.AllowAsync($"h1/{name}", "shop", $"workload 'shop/{name}'", [new(new() { Id = Spiffe.Net.SpiffeId.Parse($"spiffe://example.org/ns/shop/component/{name}"), Namespace = "shop" }, [new Identity.Policy.CapabilityRequest.Start()])]);
        Assert.Equal(ExitCode.NotFound, (await cli.RunAsync("policy", "stage", "confirm", "s-x", "--denies", "1", "--reason", "r")).Code);
        Assert.Equal(ExitCode.Usage, (await cli.RunAsync("policy", "stage", "confirm", "s-x", "--reason", "r")).Code);

        Assert.Equal(ExitCode.Ok, (await cli.RunAsync("policy", "stage", "-f", cli.Write("guard.yaml", Forbid("guard", "{ namespace: shop }")), "--soak", "1s", "--through", "enforce", "--reason", "no shop")).Code);
        var id = cli.Server.Ledger.State.Governance.Stages.Keys.Single();
        var status = await UntilAsync("waits for `identity policy stage confirm");
        Assert.Contains($"waits for `identity policy stage confirm {id} --denies 2`: ", status, StringComparison.Ordinal);

        // One too few is refused and leaves it waiting; as many as it says, and it goes on.
        var (few, _, error) = await cli.RunAsync("policy", "stage", "confirm", id, "--denies", "1", "--reason", "r");
        Assert.NotEqual(ExitCode.Ok, few);
        Assert.Contains("2", error, StringComparison.Ordinal);
        Assert.DoesNotContain("confirmed that it may deny", (await cli.RunAsync("policy", "stage", "status", id)).Output, StringComparison.Ordinal);
        var (code, output, _) = await cli.RunAsync("policy", "stage", "confirm", id, "--denies", "2", "--reason", "they may go");
        Assert.Equal(ExitCode.Ok, code);
        Assert.StartsWith($"{id} ", output, StringComparison.Ordinal);
        Assert.Contains(" confirmed that it may deny 2 of these\n", output, StringComparison.Ordinal);
        Assert.DoesNotContain("waits for", output, StringComparison.Ordinal);
        var inForce = await UntilAsync($"{id} is in force");
        Assert.StartsWith($"{id} is in force\n", inForce, StringComparison.Ordinal);
        Assert.Contains("CapabilityPolicy guard created\n", inForce, StringComparison.Ordinal);
        Assert.NotEqual(ExitCode.Ok, (await cli.RunAsync("policy", "stage", "confirm", id, "--denies", "2", "--reason", "again")).Code);

        async Task<string> UntilAsync(string said)
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (true)
            {
                var output = (await cli.RunAsync("policy", "stage", "status", id)).Output;
                if (output.Contains(said, StringComparison.Ordinal)) return output;
                await Task.Delay(50, deadline.Token);
            }
        }
    }

    [Theory]
    [InlineData(ExitCode.Usage, "--unheard-for 5 is no time", "5")]
    [InlineData(ExitCode.Usage, "--unheard-for 31d is no time", "31d")]
    [InlineData(ExitCode.Usage, "unheard_seconds is 59; expected 60 to 2592000", "59s")]
    [InlineData(ExitCode.Refused, "it serves no webhook of Kubernetes", "10m")]
    public async Task Stage_forget_says_why_it_forgets_nothing(int expected, string problem, string time)
    {
        var (code, output, error) = await _cli.RunAsync("policy", "stage", "forget", "--unheard-for", time, "--reason", "r");
        Assert.Equal((expected, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--soak 5 is no time", "--soak", "5")]
    [InlineData("--soak 0s is no time", "--soak", "0s")]
    [InlineData("--soak 31d is no time", "--soak", "31d")]
    [InlineData("'later' is no step", "--through", "later")]
    [InlineData("not in order", "--through", "warn,shadow")]
    public async Task Stage_refuses_a_plan_that_is_none(string problem, params string[] plan)
    {
        var (code, _, error) = await _cli.RunAsync(["policy", "stage", "-f", _cli.Write("guard.yaml", Forbid("guard")), "--reason", "r", .. plan]);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
        Assert.Empty(_cli.Server.Ledger.State.Governance.Stages);
    }

    private async Task<string> ProposedAsync()
    {
        var (code, output, error) = await _cli.RunAsync("policy", "propose", "-f", _cli.Write("more.yaml", Permit("shop.more")), "--reason", "more");
        Assert.True(code == ExitCode.Ok, error);
        return output.Split(' ')[0];
    }

    private async Task<string> NewestReasonAsync() => (await _cli.Policies.Client.ListRevisionsAsync(new() { Limit = 1 })).Revisions.Single().Reason;
}
