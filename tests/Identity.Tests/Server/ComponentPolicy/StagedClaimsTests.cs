// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Text;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.KubernetesAdmission;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Tests.Server.DecisionPoints.KubernetesAdmission;
using Identity.V1;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using DecisionPoint = Identity.Server.DecisionPoints.DecisionPoint;
using Principal = Identity.Policy.Principal;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Whoever can ask at a door that proves nobody keeps no change from going into force.</summary>
public sealed class StagedClaimsTests
{
    private const string Sockets = "{ import: wasi:sockets/tcp@0.2.0 }";
    private static readonly Principal Cart = Principal.Process(SpiffeId.Parse($"{Shop}/cart"));
    private static readonly CapabilityRequest Asked = CapabilityRequest.Parse("import wasi:sockets/tcp@0.2.0");

    [Theory]
    [InlineData("WasmCloudPolicyService")]
    [InlineData("WasmCloudInterposer")]
    [InlineData("KubernetesAdmission")]
    [InlineData("None")]
    public async Task What_a_stranger_asks_is_counted_and_shown_in_every_step_and_halts_none(string name)
    {
        var door = Enum.Parse<DoorName>(name);
        await using var world = await World.StartAsync();
        var staged = await world.StageAsync(3600, "warn", "enforce");
        Assert.True(world.Point.Decide(Cart, [Asked], door).Allowed);
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).ClaimsWouldDeny == 1);
        var shown = await world.FindAsync(staged.Id);
        Assert.Equal(("soaking", 0UL, ""), (shown.State, shown.WouldDeny, shown.WouldDenyExample));
        Assert.All([Cart.Id.ToString(), "wasi:sockets/tcp@0.2.0", $"asked at {door.Text}, where nobody is proven"], text => Assert.Contains(text, shown.ClaimsExample, StringComparison.Ordinal));

        world.Server.Time.Shift = TimeSpan.FromHours(2);
        await world.Admin.ApplyAsync(Permit("other", "{ spiffeId: spiffe://example.org/somebody }"));
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).State == "in force");
    }

    [Theory]
    [InlineData("Grpc")]
    [InlineData("AuthZen")]
    public async Task What_somebody_asks_who_is_proven_and_named_by_an_operator_halts(string name)
    {
        var door = Enum.Parse<DoorName>(name);
        await using var world = await World.StartAsync();
        var staged = await world.StageAsync(3600, "warn");
        Assert.True(world.Point.Decide(Cart, [Asked], door).Allowed);
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).State == "halted");
    }

    [Fact]
    public async Task However_much_a_stranger_asks_no_soak_begins_anew_and_what_was_not_tried_is_told()
    {
        await using var world = await World.StartAsync();
        var staged = await world.StageAsync(3600, "warn");
        var many = Enumerable.Repeat(Asked, DecisionPoint.MaxQuestions).ToList();
        for (var at = 0; at < 20; at++) world.Point.Decide(Cart, many, DoorName.WasmCloudPolicyService);
        var observations = world.Server.Service<StageObservations>();
        for (var at = 0; at < 100_000; at++) observations.Claimed(new StageClaim(Cart, Asked, "test"));
        await UntilAsync(async () => await world.FindAsync(staged.Id) is { ClaimsNotTried: > 100_000, ClaimsWouldDeny: > 0 });
        Assert.False(observations.TakeOverflow());
        var shown = await world.FindAsync(staged.Id);
        Assert.Equal(("soaking", 0UL, 0UL), (shown.State, shown.Restarts, shown.WouldDeny));
        // Of a minute's flood so much is tried and no more.
        Assert.InRange(shown.ClaimsWouldDeny, 1UL, 10_000UL);
    }

    [Fact]
    public void A_stranger_takes_no_room_of_what_is_proven()
    {
        var observations = new StageObservations { IsOpen = true };
        for (var at = 0; at < 100_000; at++) observations.Claimed(new StageClaim(Cart, Asked, "test"));
        Assert.False(observations.TakeOverflow());
        Assert.Equal(0, observations.Reader.Count);
        Assert.Equal(100_000, observations.Claims.Count + observations.TakeClaimsNotTried());
        observations.Decided(Cart, Asked, allowed: true);
        Assert.Equal(1, observations.Reader.Count);
    }

    [Fact]
    public void Keeps_no_claim_while_nothing_is_staged()
    {
        var observations = new StageObservations();
        observations.Claimed(new StageClaim(Cart, Asked, "test"));
        observations.ClaimNotTried();
        Assert.Equal((0, 0L), (observations.Claims.Count, observations.TakeClaimsNotTried()));
    }

    [Fact]
    public async Task Yeses_that_v1_hosts_hold_and_never_ask_about_again_are_tried_counted_and_halt_nothing()
    {
        await using var world = await World.StartAsync(("wasmcloud-nats-url", "nats://127.0.0.1:1"), ("wasmcloud-policy-topic", "policy"), ("wasmcloud-policy-changes-topic", "changes"));
        const string Lattice = "{ spiffeIdPrefix: spiffe://example.org/wasmcloud/default }";
        const string Basket = "{ spiffeId: spiffe://example.org/wasmcloud/default/basket }";
        await world.Admin.ApplyAsync(Permit("lattice", Lattice, "start"));
        var given = world.Server.Service<GivenAnswers>();
        foreach (var (host, id, max) in new[] { ("N1", "basket", 1), ("N2", "basket", 5), ("N3", "basket", 0), ("N1", "cart", 1), ("N1", "denied", 1) })
        {
            var asked = new PolicyRequest
            {
                RequestId = $"{host}-{id}",
                Kind = PolicyRequestKind.StartComponent,
                Lattice = "default",
                HostKey = host,
                Id = id,
                ImageReference = "ghcr.io/acme/basket:1",
                MaxInstances = max,
            };
            given.Add(new GivenAnswer(asked, Permitted: id != "denied", ValidUntil: null));
        }

        var staged = await world.StageAsync(3600, Forbid("no-basket", Basket, "start"), ["warn", "enforce"]);
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).ClaimsWouldDeny > 0);
        var shown = await world.FindAsync(staged.Id);
        Assert.Equal(("soaking", 2UL, 0UL), (shown.State, shown.ClaimsWouldDeny, shown.WouldDeny));
        Assert.All(["spiffe://example.org/wasmcloud/default/basket would be denied", "no-basket", "a host holds a yes"], text => Assert.Contains(text, shown.ClaimsExample, StringComparison.Ordinal));

        // Looked at again with the next policy, and counted once; then in force all the same.
        given.Add(new GivenAnswer(given.ToList()[0].Request with { RequestId = "late", HostKey = "N9" }, Permitted: true, ValidUntil: null) { At = world.Server.Time.GetUtcNow() + TimeSpan.FromHours(1) });
        await world.Admin.ApplyAsync(Permit("other", "{ spiffeId: spiffe://example.org/somebody }"));
        world.Server.Time.Shift = TimeSpan.FromHours(2);
        await world.Admin.ApplyAsync(Permit("another", "{ spiffeId: spiffe://example.org/somebody }"));

        // It halts nothing, and nobody is denied unasked: what came late is counted here as well.
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).Explanation.Length > 0);
        shown = await world.FindAsync(staged.Id);
        Assert.Equal(("soaking", 3UL, 2UL), (shown.State, shown.Unproven, shown.ClaimsWouldDeny));
        Assert.StartsWith($"waits for `identity policy stage confirm {staged.Id} --denies 3`: 3 that doors let through which prove nobody would be denied, such as: ", shown.Explanation, StringComparison.Ordinal);
        await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await world.ConfirmAsync(staged, 2));
        await world.ConfirmAsync(staged, 3);
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).State == "in force");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_webhook_of_Kubernetes_proves_its_caller_only_where_a_CA_is_given(bool withAuthority)
    {
        using var folder = new TemporaryFolder();
        if (withAuthority) await File.WriteAllTextAsync(folder.At("ca.crt"), AdmissionWebhookTests.AuthorityPem("CN=apiserver-ca"));
        await using var world = await World.StartAsync(
            [("admission-listen", "127.0.0.1:0"), .. withAuthority ? [("admission-client-ca-file", folder.At("ca.crt"))] : Array.Empty<(string, string)>()]);
        await world.Admin.ApplyAsync(Permit("deployments", "{ namespace: shop }", "start, { import: \"wasi:keyvalue/*@0.2.0\" }"));
        var staged = await world.StageAsync(3600, Forbid("no-store", "{ namespace: shop }", "{ import: wasi:keyvalue/store@0.2.0 }"), ["warn"]);
        Assert.True(AdmissionReview.TryParse(Encoding.UTF8.GetBytes(AdmissionSamples.Deployment), out var review, out var problem), problem);
        await world.Server.Service<AdmissionEndpoint>().JudgeAsync(review);
        await UntilAsync(async () => await world.FindAsync(staged.Id) is { State: "halted" } or { ClaimsWouldDeny: > 0 });
        Assert.Equal(withAuthority ? "halted" : "soaking", (await world.FindAsync(staged.Id)).State);
    }

    [Fact]
    public async Task What_runs_as_strangers_say_waits_for_a_confirmation_of_as_many_before_it_is_denied()
    {
        await using var world = await World.StartAsync(("admission-listen", "127.0.0.1:0"));
        await world.Admin.ApplyAsync(Permit("deployments", "{ namespace: shop }", "start, { import: \"wasi:keyvalue/*@0.2.0\" }"), AdmissionWebhookTests.Policy.Replace("name: shop", "name: webhook", StringComparison.Ordinal));
        await Ask(AdmissionSamples.Deployment);
        await Ask(AdmissionSamples.Of("Workload"));
        var staged = await world.StageAsync(1, Forbid("no-store", "{ namespace: shop }", "{ import: wasi:keyvalue/store@0.2.0 }"), ["shadow", "enforce"]);
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).Explanation.Length > 0);
        var shown = await world.FindAsync(staged.Id);
        Assert.Equal(("soaking", 2UL, 0UL, ""), (shown.State, shown.Unproven, shown.Confirmed, shown.ConfirmedBy));
        Assert.All(["--denies 2`", "workload 'shop/cart' may run, and", "no-store", "let through at kubernetes-admission"], text => Assert.Contains(text, shown.Explanation, StringComparison.Ordinal));

        // One confirmed too few does not do, and neither do two once there are three.
        await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await world.ConfirmAsync(staged, 1));
        await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await world.Admin.Client.ConfirmStageAsync(new ConfirmStageRequest { Id = staged.Id, Denies = 2 }));
        await Ask(AdmissionSamples.Of("WorkloadReplicaSet"));
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).Unproven == 3);
        Assert.Equal("soaking", (await world.FindAsync(staged.Id)).State);

        // More than there are is good for as many as may come.
        var confirmed = await world.ConfirmAsync(staged, 1000);
        Assert.Equal((1000UL, true), (confirmed.Confirmed, confirmed.ConfirmedBy.StartsWith("unix:", StringComparison.Ordinal)));
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).State == "in force");
        Assert.Contains("wasi:keyvalue/store@0.2.0", world.Server.Ledger.State.Policies["no-store"].Text, StringComparison.Ordinal);

        async Task Ask(string body)
        {
            Assert.True(AdmissionReview.TryParse(Encoding.UTF8.GetBytes(body), out var review, out var problem), problem);
            Assert.True((await world.Server.Service<AdmissionEndpoint>().JudgeAsync(review)).Allowed);
        }
    }

    [Fact]
    public async Task A_confirmation_is_written_once_and_without_the_documents_again()
    {
        await using var world = await World.StartAsync(("wasmcloud-nats-url", "nats://127.0.0.1:1"), ("wasmcloud-gate-prefix", "gate.runtime.host"));
        await world.Admin.ApplyAsync(Permit("more", "{ namespace: shop }"));
        var guard = Forbid("guard", "{ namespace: shop }") + "\n# " + new string('x', 100_000);
        var staged = await world.StageAsync(3600, guard, ["enforce"]);
        Assert.Contains("nothing to confirm", (await RefusedAsync(1)).Status.Detail, StringComparison.Ordinal);

        var book = world.Server.Service<Identity.Server.DecisionPoints.WasmCloudV2.AllowedWorkloads>();
        var who = new Principal { Id = SpiffeId.Parse("spiffe://example.org/ns/shop/component/cart"), Namespace = "shop" };
        await book.AllowAsync("h1/w-1", "shop", "workload 'shop/cart'", [new Question(who, [new CapabilityRequest.Start()])]);
        // Something happens, so that the change is looked at again.
        await world.Admin.ApplyAsync(Permit("other", "{ namespace: bank }"));
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).Unproven == 1);
        await world.ConfirmAsync(staged, 1);
        Assert.InRange(world.Server.Ledger.ListTransactions(1).Single().Transaction.CalculateSize(), 1, 5_000);
        Assert.Equal(guard, Assert.Single(world.Server.Ledger.State.Governance.Stages[staged.Id].Set).Text);

        var revision = world.Server.Ledger.State.Revision;
        Assert.Contains("confirmed already", (await RefusedAsync(1)).Status.Detail, StringComparison.Ordinal);
        Assert.Equal(revision, world.Server.Ledger.State.Revision);

        async Task<Grpc.Core.RpcException> RefusedAsync(ulong denies) => await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await world.ConfirmAsync(staged, denies));
    }

    [Fact]
    public async Task What_runs_as_strangers_say_holds_up_nothing_once_it_is_gone_nor_what_denies_it_nothing_nor_what_is_only_tried()
    {
        await using var world = await World.StartAsync(("wasmcloud-nats-url", "nats://127.0.0.1:1"), ("wasmcloud-gate-prefix", "gate.runtime.host"));
        await world.Admin.ApplyAsync(Permit("more", "{ namespace: shop }"), Permit("bank", "{ namespace: bank }"));
        var book = world.Server.Service<Identity.Server.DecisionPoints.WasmCloudV2.AllowedWorkloads>();
        Assert.False(book.IsProven);
        var who = new Principal { Id = SpiffeId.Parse("spiffe://example.org/ns/shop/component/cart"), Namespace = "shop" };
        await book.AllowAsync("h1/w-1", "shop", "workload 'shop/cart'", [new Question(who, [new CapabilityRequest.Start()])]);
        var other = await world.StageAsync(1, Forbid("other", "{ namespace: bank }"), ["enforce"]);
        var tried = await world.StageAsync(1, Forbid("guard", "{ namespace: shop }"), ["shadow", "warn"]);
        var staged = await world.StageAsync(1, Forbid("guard", "{ namespace: shop }"), ["enforce"]);
        await UntilAsync(async () => (await world.FindAsync(other.Id)).State == "in force" && (await world.FindAsync(tried.Id)).State == "passed");
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).Explanation.Length > 0);
        Assert.Contains("let through at wasmcloud-interposer", (await world.FindAsync(staged.Id)).Explanation, StringComparison.Ordinal);

        // Of what runs and was not let through by us nobody knows what it asked for.
        await book.HeardAsync("h1/w-2", "host h1", "workload 'w-2' on host 'h1'");
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).Unproven == 2);
        Assert.Contains("nobody here knows what 1 that may run asked for, such as workload 'w-2' on host 'h1'", (await world.FindAsync(staged.Id)).Explanation, StringComparison.Ordinal);
        await book.ForgetAsync("h1/w-1", isDeletion: true);
        await book.ForgetAsync("h1/w-2", isDeletion: true);
        await UntilAsync(async () => (await world.FindAsync(staged.Id)).State == "in force");
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await condition()) await Task.Delay(20, deadline.Token);
    }

    private sealed class World(RegistryServer server) : IAsyncDisposable
    {
        public RegistryServer Server => server;

        public PolicyWriter Admin { get; } = new(server.Admin);

        public DecisionPoint Point => server.Service<DecisionPoint>();

        public static async Task<World> StartAsync(params (string, string)[] settings)
        {
            var world = new World(await RegistryServer.StartAsync(settings));
            await world.Admin.ApplyAsync(Permit("shop", capability: $"start, {Sockets}"));
            return world;
        }

        public Task<StagedChange> StageAsync(uint soak, params string[] through) => StageAsync(soak, Forbid("no-sockets", capability: Sockets), through);

        /// <summary>Returns once what happens is observed.</summary>
        public async Task<StagedChange> StageAsync(uint soak, string document, string[] through)
        {
            var request = new StageRequest { Reason = "a test", SoakSeconds = soak, Documents = { new PolicySource { Text = document } } };
            request.Through.AddRange(through);
            var staged = await Admin.Client.StageAsync(request);
            var observations = server.Service<StageObservations>();
            await UntilAsync(() => Task.FromResult(observations.IsOpen));
            return staged;
        }

        public async Task<StagedChange> ConfirmAsync(StagedChange staged, ulong denies) =>
            await Admin.Client.ConfirmStageAsync(new ConfirmStageRequest { Id = staged.Id, Denies = denies, Reason = "a test" });

        public async Task<StagedChange> FindAsync(string id) => (await Admin.Client.ListStagesAsync(new())).Stages.Single(stage => stage.Id == id);

        public ValueTask DisposeAsync() => server.DisposeAsync();
    }
}
