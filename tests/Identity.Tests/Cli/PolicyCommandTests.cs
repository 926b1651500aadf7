// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Text.Json;
using Identity.Cli;
using Identity.Policy;
using Identity.Server.DecisionPoints;
using Spiffe.Net;
using static Identity.Tests.Cli.CliServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using Principal = Identity.Policy.Principal;

namespace Identity.Tests.Cli;

/// <summary><c>identity policy …</c> against a running server: what a person types, and what they read.</summary>
public sealed class PolicyCommandTests : IAsyncLifetime
{
    private const string NotChecked =
        "Not checked: whether a rule means anybody (add the files of the entries, or --server).\n"
        + "Not checked: whether components import what is granted to them, and are granted what they import (--component [ID=]FILE).\n";

    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Theory]
    [InlineData("check")]
    [InlineData("test")]
    [InlineData("export", "--cedar")]
    [InlineData("suggest")]
    [InlineData("diff", "--server")]
    public async Task What_only_looks_at_files_does_not_speak_of_sending(params string[] verb)
    {
        var (code, _, error) = await CliServer.RunOfflineAsync(["policy", .. verb, _cli.Write("bad.yaml", "kind: CapabilityPolicy\nname: x\nrulez: []\n")]);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("line 3, column 1", error, StringComparison.Ordinal);
        Assert.DoesNotContain("sent", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Numbers_go_with_their_nouns()
    {
        var one = _cli.Write("one.yaml", Permit("shop", "{ spiffeId: spiffe://example.org/a }"));
        Assert.Equal($"{NotChecked}1 rule, nothing to warn of in what was checked.\n", (await CliServer.RunOfflineAsync("policy", "check", one)).Output);
        var two = _cli.Write("two.yaml", $"{Permit("shop", "{ spiffeId: spiffe://example.org/a }")}\n---\n{Permit("bank", "{ spiffeId: spiffe://example.org/b }")}\n");
        Assert.Equal($"{NotChecked}2 rules, nothing to warn of in what was checked.\n", (await CliServer.RunOfflineAsync("policy", "check", two)).Output);
    }

    [Fact]
    public async Task History_show_and_rollback_tell_the_same_story()
    {
        var first = await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        var second = await _cli.AppliedAsync(Permit("shop", capability: Wide));

        var (_, history, _) = await _cli.RunAsync("policy", "history");
        Assert.Contains("shop updated", history, StringComparison.Ordinal);
        Assert.True(history.IndexOf("updated", StringComparison.Ordinal) < history.IndexOf("created", StringComparison.Ordinal));
        Assert.Contains("orders.new", (await _cli.RunAsync("policy", "show", "shop", "--at", $"{first}")).Output, StringComparison.Ordinal);
        Assert.Contains("orders.>", (await _cli.RunAsync("policy", "show", "shop")).Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.NotFound, (await _cli.RunAsync("policy", "show", "bank")).Code);

        Assert.Equal(ExitCode.Conflict, (await _cli.RunAsync("policy", "rollback", "--to", $"{first}", "--expected-revision", $"{first}", "--reason", "unseen")).Code);
        var (code, rolled, _) = await _cli.RunAsync("policy", "rollback", "--to", $"{first}", "--expected-revision", $"{second}", "--reason", "back");
        Assert.Equal((ExitCode.Ok, "CapabilityPolicy shop updated\n"), (code, rolled));
        Assert.Contains("orders.new", (await _cli.RunAsync("policy", "show", "shop")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decide_answers_by_the_policy_of_any_revision_and_by_exit_code()
    {
        var first = await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        await _cli.AppliedAsync(Permit("shop", capability: Wide));
        string[] ask = ["policy", "decide", Cart, "natsPublish", "orders.old"];

        var (yes, _, _) = await _cli.RunAsync(ask);
        var (no, output, _) = await _cli.RunAsync([.. ask, "--at", $"{first}"]);

        Assert.Equal((ExitCode.Ok, ExitCode.Refused), (yes, no));
        Assert.StartsWith($"denied by the policy of revision {first}", output, StringComparison.Ordinal);
        Assert.Contains("nearest is rule shop/only", output, StringComparison.Ordinal);
        Assert.Contains("- natsPublish: orders.old", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decide_says_by_which_clock_it_answers()
    {
        var expires = _cli.Server.Time.GetUtcNow() + TimeSpan.FromHours(1);
        var exception = await _cli.AppliedAsync(Permit("shop", capability: Narrow).Replace($"[{Narrow}]", $"[{Narrow}], expires: {expires:yyyy-MM-ddTHH:mm:ssZ}, reason: a trial", StringComparison.Ordinal));
        _cli.Server.Time.Shift = TimeSpan.FromHours(2);
        string[] ask = ["policy", "decide", Cart, "natsPublish", "orders.new"];

        var (code, now, error) = await _cli.RunAsync(ask);
        Assert.True(code == ExitCode.Refused, error);
        Assert.DoesNotContain("as if it were", now, StringComparison.Ordinal);
        var (then, output, _) = await _cli.RunAsync([.. ask, "--at", $"{exception}"]);
        Assert.Equal(ExitCode.Ok, then);
        Assert.Matches($"^allowed by the policy of revision {exception}: shop/only\nas if it were [0-9-]{{10}} [0-9:]{{8}}Z, when revision {exception} was written ", output);
        var (later, named, _) = await _cli.RunAsync([.. ask, "--at", $"{exception}", "--time", $"{expires:yyyy-MM-ddTHH:mm:ssZ}"]);
        Assert.Equal(ExitCode.Refused, later);
        Assert.Contains($"\nas if it were {expires:yyyy-MM-dd HH:mm:ss}Z\n", named, StringComparison.Ordinal);
        using var json = System.Text.Json.JsonDocument.Parse((await _cli.RunAsync([.. ask, "--at", $"{exception}", "-o", "json"])).Output);
        Assert.True(json.RootElement.GetProperty("atTime").GetDateTimeOffset() < expires);
    }

    [Fact]
    public async Task Decide_notes_what_nats_server_allows_though_no_rule_grants_it()
    {
        await _cli.AppliedAsync(Permit("shop", capability: "{ stream: ORDERS, access: [consume] }"));
        var (code, output, _) = await _cli.RunAsync("policy", "decide", Cart, "consumer", "ORDERS/billing", "consume");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("nats-server allows it all the same: by another right that rules permit it is told '$JS.API.CONSUMER.MSG.NEXT.ORDERS.billing'", output, StringComparison.Ordinal);
        await _cli.AppliedAsync(Forbid("billing", capability: "{ consumer: ORDERS/billing, access: [consume] }"));
        Assert.DoesNotContain("all the same", (await _cli.RunAsync("policy", "decide", Cart, "consumer", "ORDERS/billing", "consume")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decide_says_what_policy_permits_and_nats_server_cannot_be_told()
    {
        await _cli.AppliedAsync(Permit("shop", capability: "{ natsSubscribe: orders.* }, { natsSubscribe: orders.a.b }"));
        var (_, output, _) = await _cli.RunAsync("policy", "decide", Cart, "natsSubscribe", "orders.x");
        Assert.Contains("nats-server refuses it all the same", output, StringComparison.Ordinal);
        Assert.Contains("orders.*", output, StringComparison.Ordinal);
        Assert.DoesNotContain("all the same", (await _cli.RunAsync("policy", "decide", Cart, "natsSubscribe", "orders.a.b")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shadow_lists_what_rules_in_mode_shadow_would_have_done()
    {
        await _cli.AppliedAsync(Permit("shop", capability: Wide), Forbid("guard", capability: Narrow).Replace("effect: forbid", "effect: forbid, mode: shadow", StringComparison.Ordinal));
        Assert.StartsWith("No rule in mode shadow", (await _cli.RunAsync("policy", "shadow")).Output, StringComparison.Ordinal);
        _cli.Server.Service<DecisionPoint>().Decide(Principal.Process(SpiffeId.Parse(Cart)), [CapabilityRequest.Parse("natsPublish orders.new")], DoorName.Grpc);
        var (_, output, _) = await _cli.RunAsync("policy", "shadow");
        Assert.Contains("guard/only", output, StringComparison.Ordinal);
        var decision = output.Split('\n')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1];
        var (_, why, _) = await _cli.RunAsync("why", decision);
        Assert.Contains("in mode shadow: natsPublish orders.new: rule guard/only would forbid it if it were enforced", why, StringComparison.Ordinal);
        Assert.Contains("asked     at grpc", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decide_asks_for_the_host_that_was_not_told_instead_of_offering_a_grant_without_it()
    {
        await _cli.AppliedAsync(Permit("shop", $"{{ spiffeId: {Cart}, hostPrefix: spiffe://example.org/hosts }}", "{ natsPublish: orders.new }"));
        var (code, output, _) = await _cli.RunAsync("policy", "decide", Cart, "natsPublish", "orders.new");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("tell it and ask again: --host HOST", output, StringComparison.Ordinal);
        Assert.DoesNotContain("smallest grant", output, StringComparison.Ordinal);
        // Nor to a program, which would not read the sentence.
        using var json = JsonDocument.Parse((await _cli.RunAsync("policy", "decide", Cart, "natsPublish", "orders.new", "-o", "json")).Output);
        Assert.Equal(("", "host"), (json.RootElement.GetProperty("smallestGrant").GetString(), json.RootElement.GetProperty("untold")[0].GetString()));
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("policy", "decide", Cart, "natsPublish", "orders.new", "--host", "spiffe://example.org/hosts/local")).Code);
    }

    [Fact]
    public async Task Check_tells_of_a_forbid_that_names_a_provider_by_its_former_ID()
    {
        const string Lattice = "spiffe://example.org/wasmcloud/default";
        var file = _cli.Write("lattice.yaml", $"{Permit("all", $"{{ spiffeIdPrefix: {Lattice} }}")}\n---\n{Forbid("guard", $"{{ spiffeId: {Lattice}/kv }}")}\n");
        var (code, output, _) = await CliServer.RunOfflineAsync("policy", "check", "--strict", file);
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("lattice.yaml:9: rule guard/only forbids", output, StringComparison.Ordinal);
        Assert.Contains($"    forbid it to {Lattice}/provider/kv as well", output, StringComparison.Ordinal);
        Assert.Contains("\"kind\": \"former-id\"", (await CliServer.RunOfflineAsync("policy", "check", file, "-o", "json")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_judges_by_those_who_are_registered_at_the_server_when_asked_to()
    {
        var entry = _cli.Write("entry.yaml", $"kind: RegistrationEntry\nspiffeId: {Cart}\nparentId: spiffe://example.org/hosts/local\nselectors: [wasm:name:cart]\n");
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("apply", "-f", entry)).Code);
        var here = _cli.Write("here.yaml", Permit("shop", $"{{ spiffeId: {Cart}, hostPrefix: spiffe://example.org/hosts }}"));
        var elsewhere = _cli.Write("elsewhere.yaml", Permit("shop", $"{{ spiffeId: {Cart}, hostPrefix: spiffe://example.org/racks }}"));

        var (_, right, _) = await _cli.RunAsync("policy", "check", "--server", here);
        Assert.EndsWith("1 rule, nothing to warn of in what was checked.\n", right, StringComparison.Ordinal);
        Assert.DoesNotContain("means anybody", right, StringComparison.Ordinal);

        var (code, output, _) = await _cli.RunAsync("policy", "check", "--server", "--strict", elsewhere);
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains($"means {Cart} on hosts spiffe://example.org/racks/…, and no registered identity is that", output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Unavailable, (await CliServer.RunOfflineAsync("policy", "check", "--server", here)).Code);
    }
}
