using System.Text.Json;
using Identity.Cli;
using Identity.Testing.Platform;
using Identity.Tests.Server;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Cli;

/// <summary>The verbs that look at files and ask no server: what they print, and with what they end (docs/policy-verification.md).</summary>
public sealed class PolicyVerbTests : IDisposable
{
    private const string Offline = "/nonexistent/admin.sock";
    private const string Cart = $"{Shop}/cart";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Test_passes_when_every_expectation_is_met_and_says_which()
    {
        var file = Write(Permit("shop", capability: "{ natsPublish: orders.> }"), Expect("natsPublish: orders.new", "allow", "by: shop/only"), Expect("natsPublish: bank", "deny"));
        var (code, output, error) = await RunAsync("test", file);
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        Assert.Equal("ok   new: natsPublish: orders.new\nok   bank: natsPublish: bank\n2 passed, 0 failed\n", output);

        using var json = JsonDocument.Parse((await RunAsync("test", file, "-o", "json")).Output);
        Assert.Equal((2, 0), (json.RootElement.GetProperty("passed").GetInt32(), json.RootElement.GetProperty("failed").GetInt32()));
        Assert.All(json.RootElement.GetProperty("cases").EnumerateArray(), one => Assert.True(one.GetProperty("passed").GetBoolean()));
    }

    [Theory]
    [InlineData("deny", "", "expected deny, but it is")]
    [InlineData("allow", "by: shop/other", "expected allow by shop/other, but it is")]
    public async Task Test_ends_with_3_when_one_expectation_is_not_met_and_says_what_is_so_instead(string expect, string by, string said)
    {
        var (code, output, _) = await RunAsync("test", Write(Permit("shop", capability: "{ natsPublish: orders.> }"), Expect("natsPublish: orders.new", expect, by), Expect("natsPublish: bank", "deny")));
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("FAIL new: natsPublish: orders.new", output, StringComparison.Ordinal);
        Assert.Contains(said, output, StringComparison.Ordinal);
        Assert.EndsWith("1 passed, 1 failed\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Test_without_an_expectation_is_no_success()
    {
        var (code, output, error) = await RunAsync("test", Write(Permit("shop")));
        Assert.Equal((ExitCode.Usage, ""), (code, output));
        Assert.Contains("without expectations nothing is tested", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_nats_server_refuses_all_the_same_fails_an_expectation_and_is_warned_of()
    {
        const string Why = "nats-server refuses it all the same: a rule permits 'orders.*', but";
        var file = Write(Permit("shop", capability: "{ natsSubscribe: orders.* }"), Permit("more", capability: "{ natsSubscribe: orders.new.items }"), Expect("natsSubscribe: orders.new", "allow"));
        var (code, output, error) = await RunAsync("test", file);
        Assert.Equal((ExitCode.Refused, ""), (code, error));
        Assert.Contains($"but {Why}", output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await RunAsync("check", file, "-o", "json")).Output);
        Assert.Contains(json.RootElement.GetProperty("warnings").EnumerateArray(), warning =>
            warning.GetProperty("kind").GetString() == "unusable" && warning.GetProperty("text").GetString()!.Contains(Why, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_older_nats_servers_cannot_be_told_is_a_note_and_no_warning()
    {
        var file = Write(Permit("shop", $"{{ spiffeId: {Cart} }}", "{ natsSubscribe: orders.> }"), Forbid("guard", $"{{ spiffeId: {Cart} }}", "{ natsSubscribe: orders.secret.> }"));
        var (code, output, error) = await RunAsync("check", file, "--strict");
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        Assert.Contains($"Note: {file}:4: rule shop/only permits natsSubscribe orders.>, and nats-server before 2.11.16, and 2.12.0 to 2.12.6, refuses it", output, StringComparison.Ordinal);
        Assert.EndsWith("2 rules, nothing to warn of in what was checked.\n", output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await RunAsync("check", file, "-o", "json")).Output);
        Assert.Equal("older-servers", Assert.Single(json.RootElement.GetProperty("notes").EnumerateArray()).GetProperty("kind").GetString());
        Assert.Empty(json.RootElement.GetProperty("warnings").EnumerateArray());
    }

    [Fact]
    public async Task Suggest_refuses_what_would_be_no_document()
    {
        var seen = _folder.At("seen");
        await File.WriteAllTextAsync(seen, $"{Cart} config a\n", TestContext.Current.CancellationToken);
        Assert.Equal(ExitCode.Ok, (await RunAsync("suggest", "--seen", seen)).Code);
        var (code, output, error) = await RunAsync("suggest", "--seen", seen, "--name", "no name");
        Assert.Equal((ExitCode.Refused, ""), (code, output));
        Assert.Contains("what was seen makes no document: ", error, StringComparison.Ordinal);
        Assert.Contains("'no name' is not a name", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_tells_every_warning_with_its_place_and_ends_with_3_only_when_it_is_strict()
    {
        var file = Write(Permit("shop", capability: "{ natsPublish: orders.> }"), Permit("again", capability: "{ natsPublish: orders.new }"));
        var (code, output, error) = await RunAsync("check", file);
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        Assert.Contains($"{file}:9: rule again/only ", output, StringComparison.Ordinal);
        Assert.EndsWith("1 warning.\n", output, StringComparison.Ordinal);
        Assert.Equal((ExitCode.Refused, output, ""), await RunAsync("check", file, "--strict"));

        using var json = JsonDocument.Parse((await RunAsync("check", file, "-o", "json")).Output);
        var warning = Assert.Single(json.RootElement.GetProperty("warnings").EnumerateArray());
        Assert.Equal(("again/only", $"{file}:9"), (warning.GetProperty("rule").GetString(), warning.GetProperty("place").GetString()));
    }

    [Fact]
    public async Task Check_that_is_strict_passes_what_has_no_warning() =>
        Assert.Equal(ExitCode.Ok, (await RunAsync("check", Write(Permit("shop", $"{{ spiffeId: {Cart} }}")), "--strict")).Code);

    [Fact]
    public async Task A_name_that_stands_twice_is_told_with_its_files()
    {
        var (one, other) = (Write(Permit("shop")), _folder.At("other.yaml"));
        File.WriteAllText(other, Permit("shop"));
        var (code, _, error) = await RunAsync("check", one, other);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains($"policy 'shop' stands in 2 documents ({one}, {other}); a name may stand once.", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Expectations_alone_are_not_applied_and_it_says_what_is_done_with_them()
    {
        var tests = Write(Expect("natsPublish: orders.new", "deny"));
        var (code, output, error) = await CliServer.RunOfflineAsync("apply", "-f", tests);
        Assert.Equal((ExitCode.Usage, ""), (code, output));
        Assert.Equal("identity: the files hold expectations only (kind: PolicyTest), and these are not applied; try them with `identity policy test FILE`.\n", error);
    }

    [Theory]
    [InlineData(false, false, "means-nobody", "over-grant", "not-granted")]
    [InlineData(true, false, "over-grant", "not-granted")]
    [InlineData(false, true, "means-nobody")]
    [InlineData(true, true)]
    public async Task Check_says_what_it_could_not_check(bool withEntry, bool withComponent, params string[] notChecked)
    {
        var policy = Write(Permit("shop", $"{{ spiffeId: {Cart} }}", "{ import: acme:probe/store@1.0.0 }, { export: '#run' }"));
        string[] arguments = ["check", policy, .. withEntry ? [Entry("local")] : Array.Empty<string>(), .. withComponent ? ["--component", $"{Cart}={Probe()}"] : Array.Empty<string>()];
        var (code, output, error) = await RunAsync(arguments);
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        Assert.EndsWith($"1 rule, nothing to warn of{(notChecked.Length > 0 ? " in what was checked" : "")}.\n", output, StringComparison.Ordinal);
        Assert.Equal(notChecked.Length == 0 ? 1 : notChecked.Length == 3 ? 3 : 2, output.TrimEnd().Split('\n').Length);
        using var json = JsonDocument.Parse((await RunAsync([.. arguments, "-o", "json"])).Output);
        Assert.Equal(notChecked, json.RootElement.GetProperty("notChecked").EnumerateArray().Select(kind => kind.GetString()!));
    }

    [Fact]
    public async Task Check_says_of_each_rule_what_was_not_told_of_whom_it_may_mean_and_stays_no_warning()
    {
        var policy = Write(Permit("shop", $"{{ spiffeId: {Cart}, namespace: shop }}", "{ import: acme:probe/store@1.0.0 }"), Permit("again", $"{{ spiffeId: {Cart} }}", "{ import: acme:probe/store@1.0.0 }, { export: '#run' }"));
        string[] arguments = ["check", policy, Entry("local"), "--component", Probe()];
        var (_, output, _) = await RunAsync(arguments);
        Assert.DoesNotContain("rule again/only:", output, StringComparison.Ordinal);
        Assert.Contains($"Not checked: {policy}:4: rule shop/only: whether anybody is {Cart} in namespace shop: no entry tells the namespace\n", output, StringComparison.Ordinal);
        Assert.Contains("rule shop/only: whether anything uses 'import acme:probe/store@1.0.0', granted to", output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await RunAsync([.. arguments, "-o", "json"])).Output);
        Assert.Equal(["shadowed"], json.RootElement.GetProperty("warnings").EnumerateArray().Select(warning => warning.GetProperty("kind").GetString()));
        Assert.Equal(["means-nobody shop/only", "over-grant shop/only"], json.RootElement.GetProperty("rulesNotChecked").EnumerateArray().Select(rule => $"{rule.GetProperty("kind").GetString()} {rule.GetProperty("rule").GetString()}"));
        Assert.Empty(json.RootElement.GetProperty("notChecked").EnumerateArray());
    }

    [Theory]
    [InlineData("local", 0)]
    [InlineData("other", 2)]
    public async Task Check_knows_the_host_of_a_component_from_its_entry(string host, int warnings)
    {
        var policy = Write(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, host: spiffe://example.org/hosts/local }}", "{ import: acme:probe/store@1.0.0 }, { export: '#run' }"));
        var (_, output, _) = await RunAsync("check", policy, Entry(host), "--component", Probe(), "-o", "json");
        using var json = JsonDocument.Parse(output);
        Assert.Equal(warnings, json.RootElement.GetProperty("warnings").EnumerateArray().Count(warning => warning.GetProperty("kind").GetString() == "not-granted"));
    }

    [Fact]
    public async Task Check_does_not_guess_the_host_of_a_component_with_two()
    {
        var policy = Write(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, host: spiffe://example.org/hosts/local }}", "{ import: acme:probe/store@1.0.0 }"));
        var (_, output, _) = await RunAsync("check", policy, Entry("local"), Entry("other"), "--component", Probe());
        Assert.Contains("may not import acme:probe/store@1.0.0", output, StringComparison.Ordinal);
    }

    private string Entry(string host)
    {
        var file = _folder.At($"entry-{host}.yaml");
        File.WriteAllText(file, $"kind: RegistrationEntry\nspiffeId: {Cart}\nparentId: spiffe://example.org/hosts/{host}\nselectors: [wasm:name:probe]\n");
        return file;
    }

    private string Probe()
    {
        var file = _folder.At("probe.wasm");
        File.WriteAllBytes(file, ProbeComponent.Bytes);
        return file;
    }

    [Fact]
    public async Task Export_writes_what_Cedar_reads()
    {
        var (code, output, error) = await RunAsync("export", "--cedar", Write(Permit("shop", $"{{ spiffeId: {Cart} }}", "{ audience: bank }"), Forbid("guard", capability: "{ audience: vault }")));
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        Assert.Contains("permit (", output.Replace("permit(", "permit (", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("forbid (", output.Replace("forbid(", "forbid (", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains(Cart, output, StringComparison.Ordinal);
        Assert.Contains("\"bank\"", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Export_needs_to_be_told_the_language() => Assert.Equal(ExitCode.Usage, (await RunAsync("export", Write(Permit("shop")))).Code);

    [Fact]
    public async Task Schema_prints_the_published_schema_to_the_letter()
    {
        var (code, output, error) = await RunAsync("schema");
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        Assert.Equal(File.ReadAllText(Path.Combine(Repository.Root, "docs", "policy.schema.json")), output);
        using var schema = JsonDocument.Parse(output);
        Assert.Equal("https://json-schema.org/draft/2020-12/schema", schema.RootElement.GetProperty("$schema").GetString());
    }

    [Theory]
    [InlineData("check")]
    [InlineData("test")]
    [InlineData("export", "--cedar")]
    public async Task A_file_that_is_not_there_or_cannot_be_read_is_2(params string[] verb)
    {
        Assert.Equal(ExitCode.Usage, (await RunAsync([.. verb, _folder.At("nobody.yaml")])).Code);
        Assert.Equal(ExitCode.Usage, (await RunAsync([.. verb, Write("kind: CapabilityPolicy\nname: x\nrulez: []\n")])).Code);
    }

    [Theory]
    [InlineData("check")]
    [InlineData("test")]
    [InlineData("export", "--cedar")]
    public async Task Policies_that_cannot_be_in_force_together_are_3(params string[] verb)
    {
        // 500 subjects with 500 capabilities are 250,000 combinations.
        string Many(string what) => string.Join(", ", Enumerable.Range(0, 500).Select(at => $"{{ {what}{at} }}"));
        var file = Write(Permit("shop", "SUBJECTS").Replace("[SUBJECTS]", $"[{Many($"spiffeId: {Shop}/c")}]", StringComparison.Ordinal).Replace("[start]", $"[{Many("natsPublish: orders.s")}]", StringComparison.Ordinal), Expect("natsPublish: orders.new", "deny"));
        var (code, _, error) = await RunAsync([.. verb, file]);
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("cannot be put in force together", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Links_of_a_lattice_become_the_least_policy_that_grants_them()
    {
        var links = _folder.At("links.json");
        File.WriteAllText(links, """[{"source_id":"cart","target":"kvredis","name":"default","wit_namespace":"wasi","wit_package":"keyvalue","interfaces":["store"],"source_config":[],"target_config":["redis-url"]}]""");
        var (code, seen, error) = await RunAsync("links", links, "--trust-domain", "example.org", "--provider", "kvredis");
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        Assert.Equal(
            """
            spiffe://example.org/wasmcloud/default/cart import wasi:keyvalue/store
            spiffe://example.org/wasmcloud/default/provider/kvredis export wasi:keyvalue/store
            spiffe://example.org/wasmcloud/default/provider/kvredis config redis-url

            """, seen);

        File.WriteAllText(_folder.At("seen.txt"), seen);
        var (_, suggested, problem) = await RunAsync("suggest", "--seen", _folder.At("seen.txt"), "--name", "links");
        Assert.Contains("- config: redis-url", suggested + problem, StringComparison.Ordinal);
        Assert.StartsWith("# Everything that was seen", (await RunAsync("suggest", Write(suggested), "--seen", _folder.At("seen.txt"))).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", "TD!", "--trust-domain")]
    [InlineData("[{}]", "example.org", "link 1: it lacks 'source_id'")]
    public async Task Links_that_cannot_be_read_are_2(string json, string trustDomain, string said)
    {
        File.WriteAllText(_folder.At("links.json"), json);
        var (code, output, error) = await RunAsync("links", _folder.At("links.json"), "--trust-domain", trustDomain);
        Assert.Equal((ExitCode.Usage, ""), (code, output));
        Assert.Contains(said, error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Usage, (await RunAsync("links", _folder.At("nobody.json"), "--trust-domain", "example.org")).Code);
    }

    private static string Expect(string request, string expect, string by = "") =>
        $"kind: PolicyTest\nname: {request.Split('.', ' ')[^1]}\ncases:\n  - name: '{request}'\n    principal: {{ spiffeId: {Cart} }}\n    request: {{ {request} }}\n    expect: {expect}\n{(by.Length > 0 ? $"    {by}\n" : "")}";

    private static Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => CliRun.RunAsync(Offline, ["policy", .. arguments]);

    private string Write(params string[] documents)
    {
        var file = _folder.At("policies.yaml");
        File.WriteAllText(file, string.Join("\n---\n", documents.Select(document => document.TrimEnd('\n'))) + "\n");
        return file;
    }
}
