// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Security.Cryptography.X509Certificates;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints.KubernetesAdmission;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Tests.Server.DecisionPoints;
using Identity.Tests.Server.DecisionPoints.KubernetesAdmission;
using Identity.V1;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Staged changes are tried on the workloads that the webhook let through, as an API server tells of them over TLS.</summary>
public sealed class StagedWorkloadsTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";
    private const string Stranger = "{ spiffeId: spiffe://example.org/somebody }";
    private static readonly string NoStore = Forbid("no-store", "{ namespace: shop }", "{ import: wasi:keyvalue/store@0.2.0 }");

    private readonly TemporaryFolder _folder = new();
    private X509Certificate2 _authority = null!;
    private DecisionWorld _world = null!;
    private PolicyWriter _admin = null!;

    public async ValueTask InitializeAsync()
    {
        _authority = AdmissionWebhookTests.Authority("CN=apiserver-ca");
        await File.WriteAllTextAsync(_folder.At("ca.crt"), _authority.ExportCertificatePem());
        _world = await DecisionWorld.StartAsync(
            AdmissionWebhookTests.Policy, ("admission-listen", "127.0.0.1:0"), ("admission-client-ca-file", _folder.At("ca.crt")));
        _admin = new PolicyWriter(_world.Server.Admin);
    }

    public async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        _authority.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("Workload")]
    [InlineData("WorkloadReplicaSet")]
    [InlineData("WorkloadDeployment")]
    public async Task A_workload_that_was_let_through_and_is_silent_since_halts_what_would_deny_it(string kind)
    {
        await AskAsync(AdmissionSamples.Of(kind));
        var end = await StageAsync(NoStore, "shadow", "warn", "enforce");
        Assert.Equal("halted", end.State);
        Assert.All(
            ["workload 'shop/cart' may run", "spiffe://example.org/ns/shop/component/http would be denied import wasi:keyvalue/store@0.2.0", "no-store"],
            text => Assert.Contains(text, end.Explanation, StringComparison.Ordinal));
        Assert.True((await AskAsync(AdmissionSamples.Of(kind))).GetProperty("allowed").GetBoolean());
    }

    [Theory]
    [InlineData("{ namespace: shop }", "{ import: wasi:keyvalue/atomics@0.2.0 }")]
    [InlineData("{ namespace: bank }", "start")]
    [InlineData("{ namespace: shop, imagePrefix: ghcr.io/other }", "start")]
    public async Task What_would_deny_no_workload_is_put_into_force(string subject, string capability)
    {
        await AskAsync(AdmissionSamples.Deployment);
        await _admin.ApplyAsync(Permit("more", subject, capability));
        var end = await StageAsync(Forbid("other", subject, capability), "shadow", "warn", "enforce");
        Assert.Equal(("in force", ""), (end.State, end.Explanation));
        Assert.True(end.Checked > 0);
    }

    [Fact]
    public async Task What_takes_a_permit_away_halts_as_well()
    {
        await AskAsync(AdmissionSamples.Deployment);
        var end = await StageAsync(AdmissionWebhookTests.Policy.Replace("      - mount: /var/data\n", "", StringComparison.Ordinal).Replace("- mount: /var/data", "", StringComparison.Ordinal), "enforce");
        Assert.Equal("halted", end.State);
        Assert.Contains("workload 'shop/cart' may run", end.Explanation, StringComparison.Ordinal);
        Assert.Contains("mount /var/data", end.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_ends_a_permit_later_halts_in_step_warn_and_counts_in_step_shadow()
    {
        await AskAsync(AdmissionSamples.Deployment);
        var ends = AdmissionWebhookTests.Policy.Replace("    effect: permit\n", $"    effect: permit\n    reason: a test\n    expires: {_world.Server.Time.GetUtcNow().AddDays(30):yyyy-MM-dd'T'HH:mm:ss'Z'}\n", StringComparison.Ordinal);
        var end = await StageAsync(ends, "shadow", "warn");
        Assert.Equal(("halted", "warn", 1UL), (end.State, end.Step, end.WouldDeny));
        Assert.Contains("workload 'shop/cart' may run", end.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_workload_that_is_deleted_holds_up_nothing()
    {
        await AskAsync(AdmissionSamples.Deployment);
        await AskAsync(AdmissionSamples.Of("Workload"));
        await AskAsync(AdmissionSamples.Deletion("WorkloadDeployment"));
        Assert.Equal("halted", (await StageAsync(NoStore, "enforce")).State);
        // As when many are deleted at once: only the object has the name.
        await AskAsync(AdmissionSamples.Deletion("Workload").With("request.name", "\"\""));
        Assert.Equal("in force", (await StageAsync(NoStore, "enforce")).State);
    }

    [Theory]
    [InlineData("request.dryRun", "true")]
    [InlineData("request.namespace", "\"bank\"")]
    [InlineData("request.name", "\"basket\"")]
    [InlineData("request.kind.kind", "\"Workload\"")]
    [InlineData("request.kind.group", "\"apps\"")]
    [InlineData("request.subResource", "\"status\"")]
    public async Task The_deletion_of_something_else_forgets_nothing_and_is_not_held_up(string member, string value)
    {
        await AskAsync(AdmissionSamples.Deployment);
        Assert.True((await AskAsync(AdmissionSamples.Deletion("WorkloadDeployment").With(member, value))).GetProperty("allowed").GetBoolean());
        Assert.Equal("halted", (await StageAsync(NoStore, "enforce")).State);
    }

    [Theory]
    [InlineData("request.object.spec.replicas", "0")]
    [InlineData("request.object.metadata.deletionTimestamp", "\"2026-11-23T10:00:00Z\"")]
    public async Task Neither_does_one_that_is_scaled_to_nothing_or_waits_for_its_finalizers(string member, string value)
    {
        await AskAsync(AdmissionSamples.Deployment);
        await AskAsync(AdmissionSamples.Update.With(member, value));
        Assert.Equal("in force", (await StageAsync(NoStore, "enforce")).State);
    }

    [Fact]
    public async Task A_workload_is_tried_by_what_it_asked_for_last()
    {
        await AskAsync(AdmissionSamples.Deployment);
        var without = AdmissionSamples.Update.With("request.object.spec.template.spec.hostInterfaces[1]", """{"namespace":"wasi","package":"http","interfaces":["incoming-handler"]}""");
        Assert.True((await AskAsync(without)).GetProperty("allowed").GetBoolean());
        Assert.Equal("in force", (await StageAsync(NoStore, "enforce")).State);
    }

    [Fact]
    public async Task An_update_that_changes_nothing_tells_of_a_workload_that_was_not_known()
    {
        await AskAsync(AdmissionSamples.Update);
        Assert.Equal("halted", (await StageAsync(NoStore, "enforce")).State);
    }

    [Theory]
    [InlineData("request.dryRun", "true")]
    [InlineData("request.object.spec.template.spec.components[0].image", "\"docker.io/evil/cart:1\"")]
    public async Task What_is_not_let_through_or_only_tried_is_not_remembered(string member, string value)
    {
        await AskAsync(AdmissionSamples.Deployment.With(member, value));
        Assert.Equal("in force", (await StageAsync(NoStore, "enforce")).State);
    }

    [Fact]
    public async Task One_that_begins_while_the_change_soaks_halts_it_in_step_shadow()
    {
        var staged = await BeginAsync(NoStore, 3600, "shadow");
        await AskAsync(AdmissionSamples.Deployment);
        var end = await EndOfAsync(staged);
        Assert.Equal("halted", end.State);
        Assert.Contains("workload 'shop/cart' may run", end.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_workload_that_was_let_through_before_a_restart_halts_as_well()
    {
        await AskAsync(AdmissionSamples.Deployment);
        await AskAsync(AdmissionSamples.Of("Workload"));
        await AskAsync(AdmissionSamples.Deletion("Workload"));
        await _world.Server.RestartAsync();
        var end = await StageAsync(NoStore, "shadow", "enforce");
        Assert.Equal(("halted", "shadow"), (end.State, end.Step));
        Assert.Contains("workload 'shop/cart' may run", end.Explanation, StringComparison.Ordinal);
        await AskAsync(AdmissionSamples.Deletion("WorkloadDeployment"));
        Assert.Equal("in force", (await StageAsync(NoStore, "enforce")).State);
    }

    [Fact]
    public async Task Many_of_another_namespace_hide_nobody()
    {
        await AskAsync(AdmissionSamples.Deployment);
        await _admin.ApplyAsync(Permit("flood", "{ namespace: flood }", "start, { export: \"wasi:http/incoming-handler\" }, { config: wasi/http/host }"));
        var book = _world.Server.Service<AllowedWorkloads>();
        var asked = book.Look().Known.Single().Asks.Questions;
        for (var at = 0; at < 200; at++) await book.AllowAsync($"flood/Workload/w-{at}", "flood", "workload 'flood/w'", asked);
        var end = await StageAsync(NoStore, "enforce");
        Assert.Equal("halted", end.State);
    }

    [Fact]
    public async Task A_workload_whose_end_nobody_told_halts_until_an_operator_has_it_forgotten_that_was_not_told_anew()
    {
        await AskAsync(AdmissionSamples.Deployment);
        await AskAsync(AdmissionSamples.Of("Workload"));
        _world.Server.Time.Shift = TimeSpan.FromMinutes(10);
        await AskAsync(AdmissionSamples.Update);
        Assert.Equal("halted", (await StageAsync(NoStore, "enforce")).State);
        var request = new ForgetWorkloadsRequest { UnheardSeconds = 300, Reason = "the webhook was away" };
        Assert.Equal(new ForgetWorkloadsResponse { Forgotten = 1, Example = "workload 'shop/cart'", Remembered = 1 }, await _admin.Client.ForgetWorkloadsAsync(request));
        // What was told anew stays.
        Assert.Equal("halted", (await StageAsync(NoStore, "enforce")).State);
        _world.Server.Time.Shift = TimeSpan.FromMinutes(20);
        Assert.Equal(1UL, (await _admin.Client.ForgetWorkloadsAsync(request)).Forgotten);
        Assert.Equal("in force", (await StageAsync(NoStore, "enforce")).State);
    }

    [Theory]
    [InlineData(0u, "why")]
    [InlineData(59u, "why")]
    [InlineData(2592001u, "why")]
    [InlineData(60u, " ")]
    public async Task Nothing_is_forgotten_of_the_last_minute_or_without_a_reason(uint seconds, string reason)
    {
        var refused = await Assert.ThrowsAsync<Grpc.Core.RpcException>(
            async () => await _admin.Client.ForgetWorkloadsAsync(new ForgetWorkloadsRequest { UnheardSeconds = seconds, Reason = reason }));
        Assert.Equal(Grpc.Core.StatusCode.InvalidArgument, refused.StatusCode);
    }

    [Fact]
    public async Task Nothing_is_forgotten_for_who_writes_policy_only()
    {
        await _admin.ApplyAsync(Role("shop-team", Ann));
        var ann = new PolicyWriter(await _world.Server.AsAsync(Ann));
        var refused = await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await ann.Client.ForgetWorkloadsAsync(new ForgetWorkloadsRequest { UnheardSeconds = 60, Reason = "why" }));
        Assert.Equal(Grpc.Core.StatusCode.PermissionDenied, refused.StatusCode);
        Assert.Contains("for administrators of this server only", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_silent_for_a_month_halts_nothing_and_waits_for_a_confirmation_over_a_restart()
    {
        await AskAsync(AdmissionSamples.Deployment);
        await AskAsync(AdmissionSamples.Of("Workload"));
        // That one is scaled to nothing says nothing of whether deletions are told.
        await AskAsync(AdmissionSamples.Update.With("request.object.spec.replicas", "0").With("request.name", "\"another\""));
        _world.Server.Time.Shift = TimeSpan.FromDays(31);
        var book = _world.Server.Service<AllowedWorkloads>();
        Assert.Equal((0, 2L), (book.Look().Known.Count, book.Look().Unknown));
        await _world.Server.RestartAsync();
        var staged = await BeginAsync(NoStore, 1, "enforce");
        await StagingServer.UntilAsync(async () => (await FindAsync(staged)).Explanation.Length > 0);
        Assert.Contains("nobody here knows what 2 that may run asked for, such as of what kubernetes-admission let through", (await FindAsync(staged)).Explanation, StringComparison.Ordinal);
        await _admin.Client.ConfirmStageAsync(new ConfirmStageRequest { Id = staged.Id, Denies = 2, Reason = "a test" });
        Assert.Equal("in force", (await EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task An_update_that_changes_nothing_is_let_through_where_nothing_can_be_kept_and_a_new_workload_is_not()
    {
        using var folder = new TemporaryFolder();
        await using var store = WorkloadStore.Open(folder.Path, TimeProvider.System, NullLogger<WorkloadStore>.Instance);
        var known = _world.Server.Service<AllowedWorkloads>();
        var book = new AllowedWorkloads(new(known.Door, known.IsProven, TimeSpan.FromDays(30), HearsEnds: true), new StageObservations(), TimeProvider.System, store);
        var endpoint = ActivatorUtilities.CreateInstance<AdmissionEndpoint>(_world.Server.Services, book);
        Assert.True((await JudgeAsync(AdmissionSamples.Deployment)).Allowed);
        using (var other = new SqliteConnection($"Data Source={folder.At(WorkloadFile.Name)};Pooling=False"))
        {
            other.Open();
            using var fault = other.CreateCommand();
            fault.CommandText = "CREATE TRIGGER fault BEFORE INSERT ON workloads BEGIN SELECT RAISE(ABORT, 'no'); END";
            fault.ExecuteNonQuery();
        }

        await RefusesAsync();
        Assert.True((await JudgeAsync(AdmissionSamples.Update)).Allowed);
        Assert.True((await JudgeAsync(AdmissionSamples.Deployment)).Allowed);
        await RefusesAsync();
        Assert.True((await JudgeAsync(AdmissionSamples.Deletion("WorkloadDeployment"))).Allowed);

        async Task RefusesAsync()
        {
            var refused = await JudgeAsync(AdmissionSamples.Of("Workload"));
            Assert.False(refused.Allowed);
            Assert.Contains("what is let through cannot be kept", refused.Message, StringComparison.Ordinal);
        }

        Task<AdmissionAnswer> JudgeAsync(string body)
        {
            Assert.True(AdmissionReview.TryParse(System.Text.Encoding.UTF8.GetBytes(body), out var review, out var problem), problem);
            return endpoint.JudgeAsync(review);
        }
    }

    [Fact]
    public async Task What_takes_nothing_is_put_into_force_whatever_runs()
    {
        await AskAsync(AdmissionSamples.Deployment);
        Assert.Equal("in force", (await StageAsync(Permit("other", Stranger), "enforce")).State);
    }

    private Task<System.Text.Json.JsonElement> AskAsync(string review) => AdmissionWebhookTests.ReviewAsync(_world, review, AdmissionWebhookTests.Client(_authority));

    private async Task<StagedChange> StageAsync(string document, params string[] through) => await EndOfAsync(await BeginAsync(document, 1, through));

    private async Task<StagedChange> BeginAsync(string document, uint soak, params string[] through)
    {
        var request = new StageRequest { Reason = "a test", SoakSeconds = soak, Documents = { new PolicySource { Text = document } } };
        request.Through.AddRange(through);
        var staged = await _admin.Client.StageAsync(request);
        await StagingServer.UntilAsync(async () => _world.Server.Service<StageObservations>().IsOpen || (await FindAsync(staged)).State != "soaking");
        return staged;
    }

    private async Task<StagedChange> EndOfAsync(StagedChange staged)
    {
        await StagingServer.UntilAsync(async () => (await FindAsync(staged)).State != "soaking");
        return await FindAsync(staged);
    }

    private async Task<StagedChange> FindAsync(StagedChange staged) => (await _admin.Client.ListStagesAsync(new())).Stages.Single(stage => stage.Id == staged.Id);
}
