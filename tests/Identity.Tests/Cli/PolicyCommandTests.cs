// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Text.Json;
using Identity.Cli;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Tests.Server;
using Identity.Tests.Server.ComponentPolicy;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using Principal = Identity.Policy.Principal;

namespace Identity.Tests.Cli;

/// <summary><c>identity policy …</c> against a running server: what a person types, and what they read.</summary>
public sealed class PolicyCommandTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";
    private const string Offline = "/nonexistent/admin.sock";
    private const string Cart = $"{Shop}/cart";
    private const string Narrow = "{ natsPublish: orders.new }";
    private const string Wide = "{ natsPublish: orders.> }";

    private readonly TemporaryFolder _folder = new();
    private RegistryServer _server = null!;
    private PolicyWriter _admin = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _admin = new PolicyWriter(_server.Admin);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Diff_compares_two_revisions_exactly()
    {
        var before = await AppliedAsync(Permit("shop", capability: Narrow));
        var after = await AppliedAsync(Permit("shop", capability: Wide));

        var (code, output, _) = await RunAsync("policy", "diff", $"{before}", $"{after}");
        Assert.Equal(ExitCode.Ok, code);
        Assert.StartsWith("+ ", output, StringComparison.Ordinal);
        Assert.Contains("orders.>", output, StringComparison.Ordinal);
        Assert.Contains("1 gained, 0 lost.", output, StringComparison.Ordinal);

        Assert.Contains("0 gained, 1 lost.", (await RunAsync("policy", "diff", $"{after}", $"{before}")).Output, StringComparison.Ordinal);
        Assert.Equal("Both allow the same, to everybody, now and later.\n", (await RunAsync("policy", "diff", $"{after}", $"{after}")).Output);
        Assert.Equal(ExitCode.Refused, (await RunAsync("policy", "diff", $"{before}", $"{after}", "--fail-on", "gained")).Code);
        Assert.Equal(ExitCode.Ok, (await RunAsync("policy", "diff", $"{after}", $"{before}", "--fail-on", "gained")).Code);
        Assert.Equal(ExitCode.Refused, (await RunAsync("policy", "diff", $"{after}", $"{before}", "--fail-on", "any")).Code);
    }

    [Fact]
    public async Task Diff_of_revisions_agrees_with_what_the_server_itself_says()
    {
        var before = await AppliedAsync(Permit("shop", capability: Narrow));
        var after = await AppliedAsync(Permit("shop", capability: Wide), Forbid("guard", capability: "{ natsPublish: orders.secret }"));
        var said = await _admin.Client.DiffRevisionsAsync(new() { FromRevision = before, ToRevision = after });
        using var json = JsonDocument.Parse((await RunAsync("policy", "diff", $"{before}", $"{after}", "-o", "json")).Output);
        Assert.Equal(said.Gained.Count(line => !line.StartsWith("no longer forbidden", StringComparison.Ordinal)), json.RootElement.GetProperty("gained").GetArrayLength());
        Assert.Equal(said.Lost.Count, json.RootElement.GetProperty("lost").GetArrayLength());
        Assert.False(json.RootElement.GetProperty("equal").GetBoolean());
    }

    [Fact]
    public async Task Diff_compares_a_revision_with_documents_either_way_round()
    {
        var before = await AppliedAsync(Permit("shop", capability: Narrow));
        var file = Write("shop.yaml", Permit("shop", capability: Wide));
        Assert.Contains("1 gained, 0 lost.", (await RunAsync("policy", "diff", $"{before}", file)).Output, StringComparison.Ordinal);
        Assert.Contains("0 gained, 1 lost.", (await RunAsync("policy", "diff", file, $"{before}")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Diff_with_the_server_says_what_applying_would_change_and_whom_it_concerns()
    {
        await AppliedAsync(Permit("shop", capability: Narrow));
        await AppliedAsync(Permit("other", "{ spiffeId: spiffe://example.org/other }"));
        var entry = Write("entry.yaml", $"kind: RegistrationEntry\nspiffeId: {Cart}\nparentId: spiffe://example.org/hosts/local\nselectors: [wasm:name:cart]\n");
        Assert.Equal(ExitCode.Ok, (await RunAsync("apply", "-f", entry)).Code);

        var (code, output, _) = await RunAsync("policy", "diff", "--server", Write("shop.yaml", Permit("shop", capability: Wide)));

        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains($"registered: {Cart}", output, StringComparison.Ordinal);
        Assert.Contains("1 gained, 0 lost.", output, StringComparison.Ordinal);
        Assert.Contains("Of 1 registered identity 1 may do more and 0 less.", output, StringComparison.Ordinal);
        Assert.Equal("Both allow the same, to everybody, now and later.\n", (await RunAsync("policy", "diff", "--server", Write("same.yaml", Permit("shop", capability: Narrow)))).Output);
        Assert.Equal(2, _server.Ledger.State.Policies.Count);
    }

    [Theory]
    [InlineData(ExitCode.Usage, "revision 4000 is not there yet", "4000", "1")]
    [InlineData(ExitCode.Usage, "no file or folder 'x.yaml'", "1", "x.yaml")]
    [InlineData(ExitCode.Usage, "no file or folder '-1'", "-1", "1")]
    [InlineData(ExitCode.Usage, "two files, folders or revisions", "1")]
    [InlineData(ExitCode.Usage, "two files, folders or revisions", "1", "1", "1")]
    [InlineData(ExitCode.Usage, "no file or folder '0'", "0", "1")]
    public async Task Diff_says_what_it_cannot_compare(int expected, string problem, params string[] named)
    {
        await AppliedAsync(Permit("shop"));
        var (code, _, error) = await RunAsync(["policy", "diff", "--", .. named]);
        Assert.Equal(expected, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Suggest_writes_what_the_server_denied_and_it_turns_the_answer()
    {
        await AppliedAsync(Permit("shop", capability: Narrow));
        var asked = CapabilityRequest.Parse("natsPublish orders.old");
        var point = _server.Service<DecisionPoint>();
        Assert.False(point.Decide(Principal.Process(SpiffeId.Parse(Cart)), [asked], DoorName.Grpc).Allowed);

        var (code, output, _) = await RunAsync("policy", "suggest", "--denied", "--name", "shop-more");

        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("natsPublish: orders.old", output, StringComparison.Ordinal);
        Assert.DoesNotContain("orders.new", output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Ok, (await RunAsync("apply", "-f", Write("more.yaml", output))).Code);
        Assert.True(point.Decide(Principal.Process(SpiffeId.Parse(Cart)), [asked], DoorName.Grpc).Allowed);
        Assert.StartsWith("# Everything that was seen", (await RunAsync("policy", "suggest", "--denied")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Suggest_writes_what_a_component_file_needs_to_start()
    {
        var component = Write("probe.wasm", AComponent);
        var (code, output, error) = await RunOfflineAsync("policy", "suggest", "--component", $"{Cart}={component}");
        Assert.True(code == ExitCode.Ok, error);
        Assert.Contains(Cart, output, StringComparison.Ordinal);
        Assert.True(PolicyParser.TryParse(output, out _, out _), output);
    }

    [Theory]
    [InlineData(ExitCode.Usage, "nothing was seen")]
    [InlineData(ExitCode.Usage, "no file '/no/such.wasm'", "--component", "/no/such.wasm")]
    [InlineData(ExitCode.Refused, "is not a component", "--component", "spiffe://example.org/a=/etc/hostname")]
    [InlineData(ExitCode.Unavailable, "no server answers", "--denied")]
    public async Task Suggest_says_what_is_missing(int expected, string problem, params string[] arguments)
    {
        var (code, _, error) = await RunOfflineAsync(["policy", "suggest", .. arguments]);
        Assert.Equal(expected, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("check")]
    [InlineData("test")]
    [InlineData("export", "--cedar")]
    [InlineData("suggest")]
    [InlineData("diff", "--server")]
    public async Task What_only_looks_at_files_does_not_speak_of_sending(params string[] verb)
    {
        var (code, _, error) = await RunOfflineAsync(["policy", .. verb, Write("bad.yaml", "kind: CapabilityPolicy\nname: x\nrulez: []\n")]);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("line 3, column 1", error, StringComparison.Ordinal);
        Assert.DoesNotContain("sent", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Numbers_go_with_their_nouns()
    {
        var one = Write("one.yaml", Permit("shop", "{ spiffeId: spiffe://example.org/a }"));
        Assert.Equal("1 rule, nothing to warn of.\n", (await RunOfflineAsync("policy", "check", one)).Output);
        var two = Write("two.yaml", $"{Permit("shop", "{ spiffeId: spiffe://example.org/a }")}\n---\n{Permit("bank", "{ spiffeId: spiffe://example.org/b }")}\n");
        Assert.Equal("2 rules, nothing to warn of.\n", (await RunOfflineAsync("policy", "check", two)).Output);
    }

    [Fact]
    public async Task History_show_and_rollback_tell_the_same_story()
    {
        var first = await AppliedAsync(Permit("shop", capability: Narrow));
        var second = await AppliedAsync(Permit("shop", capability: Wide));

        var (_, history, _) = await RunAsync("policy", "history");
        Assert.Contains("shop updated", history, StringComparison.Ordinal);
        Assert.True(history.IndexOf("updated", StringComparison.Ordinal) < history.IndexOf("created", StringComparison.Ordinal));
        Assert.Contains("orders.new", (await RunAsync("policy", "show", "shop", "--at", $"{first}")).Output, StringComparison.Ordinal);
        Assert.Contains("orders.>", (await RunAsync("policy", "show", "shop")).Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.NotFound, (await RunAsync("policy", "show", "bank")).Code);

        Assert.Equal(ExitCode.Conflict, (await RunAsync("policy", "rollback", "--to", $"{first}", "--expected-revision", $"{first}", "--reason", "unseen")).Code);
        var (code, rolled, _) = await RunAsync("policy", "rollback", "--to", $"{first}", "--expected-revision", $"{second}", "--reason", "back");
        Assert.Equal((ExitCode.Ok, "CapabilityPolicy shop updated\n"), (code, rolled));
        Assert.Contains("orders.new", (await RunAsync("policy", "show", "shop")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decide_answers_by_the_policy_of_any_revision_and_by_exit_code()
    {
        var first = await AppliedAsync(Permit("shop", capability: Narrow));
        await AppliedAsync(Permit("shop", capability: Wide));
        string[] ask = ["policy", "decide", Cart, "natsPublish", "orders.old"];

        var (yes, _, _) = await RunAsync(ask);
        var (no, output, _) = await RunAsync([.. ask, "--at", $"{first}"]);

        Assert.Equal((ExitCode.Ok, ExitCode.Refused), (yes, no));
        Assert.StartsWith($"denied by the policy of revision {first}", output, StringComparison.Ordinal);
        Assert.Contains("nearest is rule shop/only", output, StringComparison.Ordinal);
        Assert.Contains("- natsPublish: orders.old", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decide_says_what_policy_permits_and_nats_server_cannot_be_told()
    {
        await AppliedAsync(Permit("shop", capability: "{ natsSubscribe: orders.* }, { natsSubscribe: orders.a.b }"));
        var (_, output, _) = await RunAsync("policy", "decide", Cart, "natsSubscribe", "orders.x");
        Assert.Contains("nats-server refuses it all the same", output, StringComparison.Ordinal);
        Assert.Contains("orders.*", output, StringComparison.Ordinal);
        Assert.DoesNotContain("all the same", (await RunAsync("policy", "decide", Cart, "natsSubscribe", "orders.a.b")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shadow_lists_what_rules_in_mode_shadow_would_have_done()
    {
        await AppliedAsync(Permit("shop", capability: Wide), Forbid("guard", capability: Narrow).Replace("effect: forbid", "effect: forbid, mode: shadow", StringComparison.Ordinal));
        Assert.StartsWith("No rule in mode shadow", (await RunAsync("policy", "shadow")).Output, StringComparison.Ordinal);
        _server.Service<DecisionPoint>().Decide(Principal.Process(SpiffeId.Parse(Cart)), [CapabilityRequest.Parse("natsPublish orders.new")], DoorName.Grpc);
        var (_, output, _) = await RunAsync("policy", "shadow");
        Assert.Contains("guard/only", output, StringComparison.Ordinal);
        var decision = output.Split('\n')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1];
        var (_, why, _) = await RunAsync("why", decision);
        Assert.Contains("in mode shadow: natsPublish orders.new: rule guard/only would forbid it if it were enforced", why, StringComparison.Ordinal);
        Assert.Contains("asked     at grpc", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_people_propose_approve_withdraw_and_list()
    {
        await _admin.ApplyAsync(Role("shop-team", $"{Ann}", approvals: 1));
        var ann = new PolicyWriter(await _server.AsAsync(Ann));
        var asked = (await ann.ApplyAsync(Permit("shop", capability: Narrow))).Proposal;

        Assert.Contains("0 of 1", (await RunAsync("policy", "proposals")).Output, StringComparison.Ordinal);
        var (_, whole, _) = await RunAsync("policy", "proposals", asked.Id);
        Assert.Contains("1 approval is needed", whole, StringComparison.Ordinal);
        Assert.Contains($"identity policy approve {asked.Id} --hash {asked.Hash}", whole, StringComparison.Ordinal);
        Assert.Contains("kind: CapabilityPolicy", whole, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Conflict, (await RunAsync("policy", "approve", asked.Id, "--hash", new string('0', 64))).Code);
        var (code, output, _) = await RunAsync("policy", "approve", asked.Id, "--hash", asked.Hash);
        Assert.Equal((ExitCode.Ok, $"{asked.Id} is in force since revision {_server.Ledger.State.Revision}\n"), (code, output));

        var mine = await ProposedAsync();
        Assert.Equal((ExitCode.Ok, $"{mine} is withdrawn\n", ""), await RunAsync("policy", "withdraw", mine));
        Assert.Equal("Nothing waits for approval.\n", (await RunAsync("policy", "proposals")).Output);
        Assert.Equal(ExitCode.NotFound, (await RunAsync("policy", "proposals", mine)).Code);
        Assert.Contains("name: shop-team", (await RunAsync("policy", "roles")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_staged_change_that_needs_approval_says_what_to_do_next_at_every_step()
    {
        await _admin.ApplyAsync(Permit("shop", capability: Narrow), Role("shop-team", Ann, approvals: 1));
        var ann = new PolicyWriter(await _server.AsAsync(Ann));
        var request = new Identity.V1.StageRequest { Reason = "wider", SoakSeconds = 5400, Documents = { new Identity.V1.PolicySource { Text = Permit("shop.more", capability: Wide) } } };
        var asked = (await ann.Client.StageAsync(request)).Proposal;

        Assert.Contains("once approved it is tried on what runs, 90m in each of shadow, warn, enforce", (await RunAsync("policy", "proposals", asked.Id)).Output, StringComparison.Ordinal);
        var (_, approved, _) = await RunAsync("policy", "approve", asked.Id, "--hash", asked.Hash);
        var id = _server.Ledger.State.Governance.Stages.Keys.Single();
        Assert.Equal($"{asked.Id} is approved, and is tried as {id}: identity policy stage status {id}\n", approved);
        var (_, status, _) = await RunAsync("policy", "stage", "status", id);
        Assert.StartsWith($"{id} soaks in step shadow (shadow, warn, enforce) until ", status, StringComparison.Ordinal);
        Assert.Contains("approved by unix:", status, StringComparison.Ordinal);
        Assert.Contains("is aborted", (await RunAsync("policy", "stage", "abort", id, "--reason", "enough")).Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Refused, (await RunAsync("policy", "stage", "abort", id)).Code);
        Assert.Equal(ExitCode.NotFound, (await RunAsync("policy", "stage", "status", "s-x")).Code);
    }

    [Theory]
    [InlineData("--soak 5 is no time", "--soak", "5")]
    [InlineData("--soak 0s is no time", "--soak", "0s")]
    [InlineData("--soak 31d is no time", "--soak", "31d")]
    [InlineData("'later' is no step", "--through", "later")]
    [InlineData("not in order", "--through", "warn,shadow")]
    public async Task Stage_refuses_a_plan_that_is_none(string problem, params string[] plan)
    {
        var (code, _, error) = await RunAsync(["policy", "stage", "-f", Write("guard.yaml", Forbid("guard")), "--reason", "r", .. plan]);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
        Assert.Empty(_server.Ledger.State.Governance.Stages);
    }

    [Fact]
    public async Task Component_inspect_names_functions_and_exports_in_the_words_of_a_policy()
    {
        var file = Write("probe.wasm", AComponent);
        var (code, output, _) = await RunOfflineAsync("component", "inspect", file);
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("import   acme:probe/store@1.0.0\n           #get\n", output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await RunOfflineAsync("component", "inspect", file, "-o", "json")).Output);
        Assert.Equal("acme:probe/store@1.0.0#get", json.RootElement.GetProperty("importedFunctions")[0].GetString());
        Assert.Equal("#run", json.RootElement.GetProperty("exports")[0].GetString());
        Assert.Contains("export   #run\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_wraps_its_last_column_at_words_on_a_terminal_and_leaves_a_file_alone()
    {
        string[][] rows = [["d-1", "one two three four five six seven"], ["d-22", "https://example.org/one-long-word-that-stays-whole-for-copying"]];
        Assert.Equal(
            """
            ID    WHAT
            d-1   one two three four
                  five six seven
            d-22  https://example.org/one-long-word-that-stays-whole-for-copying

            """, Written(28));
        Assert.DoesNotContain(Written(0).Split('\n'), line => line.Trim() == "five six seven");
        Assert.DoesNotContain(Written(20).Split('\n'), line => line.Trim() == "five six seven");

        string Written(int width)
        {
            using var output = new StringWriter();
            Identity.Cli.Answer.Table(output, "nothing", ["ID", "WHAT"], rows, width);
            return output.ToString();
        }
    }

    [Theory]
    [InlineData(40, "ID        WHEN\nd-1       2026-01-01 00:00:00Z\n    one two three four five six seven\n")]
    [InlineData(24, "d-1\n    when  2026-01-01 00:00:00Z\n    what  one two three four five six seven\n")]
    public void A_table_whose_columns_leave_no_room_for_the_last_one_puts_it_below(int width, string expected)
    {
        using var output = new StringWriter();
        Identity.Cli.Answer.Table(output, "nothing", ["ID      ", "WHEN", "WHAT"], [["d-1", "2026-01-01 00:00:00Z", "one two three four five six seven"]], width);
        Assert.Equal(expected, output.ToString());
    }

    [Fact]
    public async Task Diff_with_the_server_counts_a_component_whose_grant_asks_for_its_host()
    {
        string OnHosts(string capability) => Permit("shop", $"{{ spiffeId: {Cart}, hostPrefix: spiffe://example.org/hosts }}", capability);
        await AppliedAsync(OnHosts(Wide));
        var entry = Write("entry.yaml", $"kind: RegistrationEntry\nspiffeId: {Cart}\nparentId: spiffe://example.org/hosts/local\nselectors: [wasm:name:cart]\n");
        Assert.Equal(ExitCode.Ok, (await RunAsync("apply", "-f", entry)).Code);
        Assert.Contains("0 may do more and 1 less.", (await RunAsync("policy", "diff", "--server", Write("shop.yaml", OnHosts(Narrow)))).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decide_asks_for_the_host_that_was_not_told_instead_of_offering_a_grant_without_it()
    {
        await AppliedAsync(Permit("shop", $"{{ spiffeId: {Cart}, hostPrefix: spiffe://example.org/hosts }}", "{ natsPublish: orders.new }"));
        var (code, output, _) = await RunAsync("policy", "decide", Cart, "natsPublish", "orders.new");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("tell it and ask again: --host HOST", output, StringComparison.Ordinal);
        Assert.DoesNotContain("smallest grant", output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Ok, (await RunAsync("policy", "decide", Cart, "natsPublish", "orders.new", "--host", "spiffe://example.org/hosts/local")).Code);
    }

    [Fact]
    public async Task Another_program_with_the_same_identity_takes_nothing_from_the_first_unless_told_to_replace_it()
    {
        string Entry(string selector) => Write("entry.yaml", $"kind: RegistrationEntry\nspiffeId: {Cart}\nparentId: spiffe://example.org/nodes/local\nselectors: ['{selector}']\n");
        await RunAsync("apply", "-f", Entry("unix:path:/bin/first"));

        var foretold = await RunAsync("apply", "--dry-run", "--replace", "-f", Entry("unix:path:/bin/second"));
        Assert.Contains($"RegistrationEntry {Cart} would be updated", foretold.Output, StringComparison.Ordinal);
        Assert.Contains("is no longer for unix:path:/bin/first but for unix:path:/bin/second", foretold.Output, StringComparison.Ordinal);

        var beside = await RunAsync("apply", "-f", Entry("unix:path:/bin/second"));
        Assert.Contains($"RegistrationEntry {Cart} created", beside.Output, StringComparison.Ordinal);
        Assert.Contains("which stays for unix:path:/bin/first", beside.Output, StringComparison.Ordinal);
        Assert.Equal(2, _server.Ledger.State.Entries.Count);
    }

    // (component (import "acme:probe/store@1.0.0" (instance (export "get" (func)))) (alias export 0 "get" (func)) (export "run" (func 0)))
    private static byte[] AComponent =>
    [
        0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00,
        // types: an instance type of one function type and one export
        .. Section(0x07, [0x01, 0x42, 0x02, 0x01, 0x40, 0x00, 0x01, 0x00, 0x04, 0x00, .. Name("get"), 0x01, 0x00]),
        .. Section(0x0a, [0x01, 0x00, .. Name("acme:probe/store@1.0.0"), 0x05, 0x00]),
        .. Section(0x06, [0x01, 0x01, 0x00, 0x00, .. Name("get")]),
        .. Section(0x0b, [0x01, 0x00, .. Name("run"), 0x01, 0x00, 0x00]),
    ];

    private static byte[] Name(string text) => [(byte)text.Length, .. System.Text.Encoding.ASCII.GetBytes(text)];

    private static byte[] Section(byte id, byte[] content) => [id, (byte)content.Length, .. content];

    private async Task<ulong> AppliedAsync(params string[] documents) => (await _admin.ApplyAsync(documents)).Revision;

    private async Task<string> ProposedAsync()
    {
        var (code, output, error) = await RunAsync("policy", "propose", "-f", Write("more.yaml", Permit("shop.more")), "--reason", "more");
        Assert.True(code == ExitCode.Ok, error);
        return output.Split(' ')[0];
    }

    private Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => CliRun.RunAsync(_server, arguments);

    private static Task<(int Code, string Output, string Error)> RunOfflineAsync(params string[] arguments) => CliRun.RunAsync(Offline, arguments);

    private string Write(string name, string content)
    {
        var file = _folder.At(name);
        File.WriteAllText(file, content);
        return file;
    }

    private string Write(string name, byte[] content)
    {
        var file = _folder.At(name);
        File.WriteAllBytes(file, content);
        return file;
    }
}
