// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Text.Json;
using Identity.Cli;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Tests.Server.ComponentPolicy;
using Spiffe.Net;
using static Identity.Tests.Cli.CliServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using Principal = Identity.Policy.Principal;
using Question = Identity.Server.DecisionPoints.Question;

namespace Identity.Tests.Cli;

/// <summary><c>identity policy diff</c> counts whom it concerns of what runs and of what the doors of wasmCloud let through, beside who is registered.</summary>
public sealed class PolicyDiffInventoryTests : IAsyncLifetime
{
    private const string Local = "spiffe://example.org/hosts/local";
    private const string OfShop = "spiffe://example.org/ns/shop/component";
    private static readonly string Digest = ComponentDigest.Of("cart"u8).Text;

    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync(
        ("admission-listen", "127.0.0.1:0"), ("wasmcloud-nats-url", "nats://127.0.0.1:1"), ("wasmcloud-policy-topic", "policy"), ("wasmcloud-policy-changes-topic", "changes"));

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task What_runs_is_told_with_its_bytes_where_the_entry_only_names_it()
    {
        await EntryAsync("cart");
        Run("one", Cart, "cart"u8);
        Run("two", Cart, "other"u8);
        var file = _cli.Write("shop.yaml", Permit("shop", $"{{ spiffeIdPrefix: {Shop}, digest: {Digest} }}"));

        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", file);
        Assert.Contains("Of 1 registered identity 0 may do more and 0 less.\nDepending on digest, which entries do not tell, 1 more may gain something and 0 lose something.\n", output, StringComparison.Ordinal);
        Assert.EndsWith("\nOf 2 running components 1 may do more and 0 less.\n", output, StringComparison.Ordinal);
        Assert.Contains($"\n      running: {Cart} on {Local}-one\n", output, StringComparison.Ordinal);

        using var json = JsonDocument.Parse((await _cli.RunAsync("policy", "diff", "--server", file, "-o", "json")).Output);
        var gained = json.RootElement.GetProperty("gained")[0];
        Assert.Equal(($"{Cart} on {Local}-one", 0, 0), (Assert.Single(gained.GetProperty("running").EnumerateArray()).GetString(), gained.GetProperty("letThrough").GetArrayLength(), json.RootElement.GetProperty("notCounted").GetArrayLength()));
    }

    [Fact]
    public async Task What_runs_is_counted_between_revisions_too_and_by_ceilings_and_where_nobody_is_registered()
    {
        var before = await _cli.AppliedAsync(Permit("shop").Replace("capabilities:", "ceilings: { memory: 16MiB }, capabilities:", StringComparison.Ordinal));
        var after = await _cli.AppliedAsync(Permit("shop").Replace("capabilities:", "ceilings: { memory: 32MiB }, capabilities:", StringComparison.Ordinal));
        Run("one", Cart, "cart"u8);
        Assert.EndsWith("\nOf 1 running component 0 may do more and 0 less; 1 may consume more and 0 less.\n", (await _cli.RunAsync("policy", "diff", $"{before}", $"{after}")).Output, StringComparison.Ordinal);
        Assert.EndsWith("\nOf 1 running component 0 may do more and 0 less; 0 may consume more and 1 less.\n", (await _cli.RunAsync("policy", "diff", $"{after}", $"{before}")).Output, StringComparison.Ordinal);
    }

    [Theory]
    // Nobody can prove to a host who signed by a name that is no key: a permit for it means nothing that runs, and a forbid everything.
    [InlineData("permit", "cart", "0 may do more and 0 less.")]
    [InlineData("forbid", "cart", "0 may do more and 1 less.")]
    [InlineData("forbid", "other", "0 may do more and 0 less.")]
    public async Task Of_signers_that_are_no_keys_as_much_is_counted_as_would_be_decided(string effect, string bytes, string expected)
    {
        await _cli.AppliedAsync(Permit("shop", capability: Wide), Permit("more", $"{{ spiffeIdPrefix: {Shop}, signer: other }}", "start"));
        Run("one", Cart, "cart"u8);
        var subject = $"{{ spiffeIdPrefix: {Shop}, signer: acme, digest: {ComponentDigest.Of(System.Text.Encoding.UTF8.GetBytes(bytes)).Text} }}";
        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", _cli.Write("signed.yaml", Permit("signed", subject, effect == "permit" ? "{ natsPublish: invoices.> }" : Wide, effect)));
        Assert.EndsWith($"\nOf 1 running component {expected}\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_workload_that_a_door_let_through_is_counted_beside_an_entry_that_has_nothing_to_do_with_it()
    {
        await _cli.AppliedAsync(Permit("egress", $"{{ spiffeIdPrefix: {OfShop} }}", "{ connect: api.example.com:443 }"));
        await EntryAsync("cart");
        await AllowAsync("cart", "http", "store");
        await AllowAsync("basket", "http", "store");
        await AllowAsync("other", "mail");

        var file = _cli.Write("egress.yaml", Permit("egress", $"{{ spiffeId: {OfShop}/http, namespace: shop, imagePrefix: ghcr.io/acme }}", "{ connect: api.example.com:8443 }"));
        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", file);
        Assert.Contains("1 gained, 1 lost.\nOf 1 registered identity 0 may do more and 0 less.\nOf 3 workloads that kubernetes-admission let through, where nobody is proven, 2 may do more and 3 less.\n", output, StringComparison.Ordinal);
        Assert.Contains("\n      let through: workload 'shop/cart' (and 1 that ask for the same)\n", output, StringComparison.Ordinal);

        // What is told of it decides.
        var elsewhere = _cli.Write("elsewhere.yaml", Permit("egress", $"{{ spiffeIdPrefix: {OfShop} }}", "{ connect: api.example.com:443 }") + "\n---\n" + Permit("more", "{ namespace: bank }"));
        Assert.Contains("Of 3 workloads that kubernetes-admission let through, where nobody is proven, 0 may do more and 0 less.\n", (await _cli.RunAsync("policy", "diff", "--server", elsewhere)).Output, StringComparison.Ordinal);

        using var json = JsonDocument.Parse((await _cli.RunAsync("policy", "diff", "--server", file, "-o", "json")).Output);
        Assert.Equal(2, json.RootElement.GetProperty("lost")[0].GetProperty("letThrough").GetArrayLength());
    }

    [Fact]
    public async Task Whom_a_door_let_through_is_no_nobody_to_check_and_whom_none_did_is_not_checked()
    {
        await EntryAsync("cart");
        var file = _cli.Write("egress.yaml", Permit("egress", $"{{ spiffeId: {OfShop}/http, imagePrefix: ghcr.io/acme }}", "{ connect: api.example.com:443 }"));
        var (code, output, _) = await _cli.RunAsync("policy", "check", "--server", file, "--strict");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains($"rule egress/only: whether anybody is {OfShop}/http from images ghcr.io/acme/…: what is below /wasmcloud and /ns needs no entry\n", output, StringComparison.Ordinal);

        await AllowAsync("cart", "http");
        Assert.DoesNotContain("rule egress/only", (await _cli.RunAsync("policy", "check", "--server", file)).Output, StringComparison.Ordinal);
        // What was let through tells its image too, and this is another.
        var other = _cli.Write("other.yaml", Permit("egress", $"{{ spiffeId: {OfShop}/http, imagePrefix: ghcr.io/other }}", "{ connect: api.example.com:443 }"));
        Assert.Contains("rule egress/only: whether anybody", (await _cli.RunAsync("policy", "check", "--server", other)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_nobody_knows_of_a_workload_is_said_and_not_counted()
    {
        await _cli.Server.Service<AllowedWorkloads>().HeardAsync("shop/Workload/cart", "shop", "workload 'shop/cart'");
        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", _cli.Write("shop.yaml", Permit("shop")));
        Assert.EndsWith("1 gained, 0 lost.\nNot counted: 1 workload that kubernetes-admission may have let through and of which nobody here knows what it asked for, such as workload 'shop/cart'.\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_v1_hosts_hold_a_yes_for_is_counted_once_however_many_hosts_hold_it()
    {
        var given = _cli.Server.Service<GivenAnswers>();
        foreach (var (host, id, isYes) in new[] { ("N1", "basket", true), ("N2", "basket", true), ("N1", "cart", true), ("N1", "denied", false) })
        {
            given.Add(new GivenAnswer(
                new PolicyRequest { RequestId = $"{host}-{id}", Kind = PolicyRequestKind.StartComponent, Lattice = "default", HostKey = host, Id = id, ImageReference = $"ghcr.io/acme/{id}:{host}", MaxInstances = 1 },
                isYes,
                ValidUntil: null));
        }

        var file = _cli.Write("basket.yaml", Permit("basket", "{ lattice: default, imagePrefix: ghcr.io/acme/basket }"));
        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", file);
        Assert.EndsWith(
            "\n1 gained, 0 lost.\nOf 2 components and providers which hosts hold a yes of wasmcloud-policy-service for, where nobody is proven, 1 may do more and 0 less.\n", output, StringComparison.Ordinal);
        Assert.Contains("\n      let through: spiffe://example.org/wasmcloud/default/basket\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_alone_say_that_what_runs_is_not_counted_and_equal_ones_do_not()
    {
        var (before, after) = (_cli.Write("before.yaml", Permit("shop", capability: Narrow)), _cli.Write("after.yaml", Permit("shop", capability: Wide)));
        Assert.EndsWith(
            "1 gained, 0 lost.\nNot counted: what runs, and what wasmCloud doors let through; a server knows that (--server, or a revision in place of a file).\n",
            (await RunOfflineAsync("policy", "diff", before, after)).Output,
            StringComparison.Ordinal);
        Assert.DoesNotContain("Not counted", (await RunOfflineAsync("policy", "diff", before, before)).Output, StringComparison.Ordinal);
        // Nothing runs, and nothing was let through. A first word on NATS brings the login its inbox along.
        Assert.EndsWith("\n2 gained, 0 lost.\n", (await _cli.RunAsync("policy", "diff", "--server", after)).Output, StringComparison.Ordinal);
    }

    private async Task EntryAsync(string name)
    {
        var entry = _cli.Write("entry.yaml", $"kind: RegistrationEntry\nspiffeId: {Shop}/{name}\nparentId: {Local}\nselectors: [wasm:name:{name}]\n");
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("apply", "-f", entry)).Code);
    }

    // Its agent does not tell what it imports, and need not.
    private void Run(string agent, string id, ReadOnlySpan<byte> bytes)
    {
        var signers = new VerifiedSigners(ComponentSignatures.Read([.. "\0asm\x0d\0\x01\0"u8]), (_, _, _) => false);
        var admission = new ReportedAdmission(agent, SpiffeId.Parse(id), SpiffeId.Parse($"{Local}-{agent}"), ComponentDigest.Of(bytes).Text, "", 1) { Signers = signers, Name = "cart" };
        Assert.True(_cli.Server.Live.Open(SpiffeId.Parse($"spiffe://example.org/spire/agent/{agent}")).TryAdd(admission));
    }

    private Task<bool> AllowAsync(string name, params string[] components)
    {
        const PrincipalAttributes Untold = PrincipalAttributes.Digest | PrincipalAttributes.Signer | PrincipalAttributes.Host | PrincipalAttributes.Lattice;
        Question[] asked =
        [
            .. components.Select(component => new Question(
                new Principal { Id = SpiffeId.Parse($"{OfShop}/{component}"), Image = ImageReference.Parse($"ghcr.io/acme/{component}:1"), Namespace = "shop", Unknown = Untold }, [CapabilityRequest.Parse("start")])),
        ];
        return _cli.Server.Service<AllowedWorkloads>().AllowAsync($"shop/Workload/{name}", "shop", $"workload 'shop/{name}'", asked);
    }
}
