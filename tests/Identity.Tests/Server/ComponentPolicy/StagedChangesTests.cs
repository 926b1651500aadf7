// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Buffers.Binary;
using Grpc.Core;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.V1;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.StagingServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using ComponentSignatures = Identity.Policy.ComponentSignatures;
using Principal = Identity.Policy.Principal;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>A change that is tried on what runs goes into force by itself, or stops by itself.</summary>
public sealed class StagedChangesTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";
    private const string Sockets = "{ import: wasi:sockets/tcp@0.2.0 }";
    private const string Clocks = "{ import: wasi:clocks/wall-clock@0.2.0 }";

    // About every second number is where a point of the curve is.
    private static readonly Lazy<SignerName[]> SignerKeys = new(() => [.. Enumerable.Range(2, 1000).Select(at =>
    {
        var key = new byte[SignerName.KeySize];
        BinaryPrimitives.WriteInt32LittleEndian(key, at);
        return SignerName.TryOfKey(key, out var name, out _) ? name : null;
    }).OfType<SignerName>().Take(160)]);

    private StagingServer _staging = null!;

    public async ValueTask InitializeAsync() => _staging = await StagingServer.StartAsync(Permit("shop", capability: $"start, {Sockets}, {Clocks}"));

    public ValueTask DisposeAsync() => _staging.DisposeAsync();

    [Fact]
    public async Task Goes_into_force_by_itself_when_nothing_that_runs_is_denied()
    {
        _staging.Run("a", ["wasi:clocks/wall-clock@0.2.0"]);
        var staged = await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)]);

        var end = await _staging.EndOfAsync(staged);

        Assert.Equal(("in force", ""), (end.State, end.Explanation));
        Assert.Contains("no-sockets", _staging.Server.Ledger.State.Policies.Keys);
        Assert.True(end.Checked > 0);
        Assert.Equal(["staged", "warn", "in force"], Records(staged.Id));
    }

    [Fact]
    public async Task Stops_at_once_when_something_that_runs_would_be_denied_and_says_who_what_and_by_which_rule()
    {
        _staging.Run("a", ["wasi:clocks/wall-clock@0.2.0", "wasi:sockets/tcp@0.2.0"]);
        var staged = await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)], soak: 3600);

        var end = await _staging.EndOfAsync(staged);

        Assert.Equal("halted", end.State);
        Assert.All(["components/shop/cart", "hosts/local", "wasi:sockets/tcp@0.2.0", "no-sockets/only"], text => Assert.Contains(text, end.Explanation, StringComparison.Ordinal));
        Assert.Equal(["shop"], _staging.Server.Ledger.State.Policies.Keys);
    }

    [Fact]
    public async Task Stops_when_something_begins_meanwhile_that_would_be_denied()
    {
        _staging.Run("a", ["wasi:clocks/wall-clock@0.2.0"]);
        var staged = await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)], soak: 3600);
        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Checked > 0);
        Assert.Equal("soaking", (await _staging.FindAsync(staged.Id)).State);

        _staging.Run("b", ["wasi:sockets/tcp@0.2.0"]);

        Assert.Equal("halted", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Stops_when_taking_a_permit_away_would_deny_something()
    {
        _staging.Run("a", ["wasi:clocks/wall-clock@0.2.0"]);
        var staged = await _staging.StageAsync([], soak: 3600, delete: ["shop"]);
        Assert.Contains("wasi:clocks/wall-clock@0.2.0", (await _staging.EndOfAsync(staged)).Explanation, StringComparison.Ordinal);
        Assert.Single(_staging.Server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Stops_when_an_agent_does_not_tell_what_runs_unless_nothing_is_taken_from_anybody()
    {
        _staging.Run("a", imports: null);
        Assert.Equal("halted", (await _staging.EndOfAsync(await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)]))).State);
        Assert.Equal("in force", (await _staging.EndOfAsync(await _staging.StageAsync([Permit("more", capability: "{ import: wasi:io/poll@0.2.0 }")]))).State);
    }

    [Fact]
    public async Task Stops_when_it_would_deny_everything_together_with_what_was_put_into_force_meanwhile()
    {
        var first = await _staging.StageAsync([SignedBy("first", 0)]);
        var second = await _staging.StageAsync([SignedBy("second", 80)], soak: 3600);
        Assert.Equal("in force", (await _staging.EndOfAsync(first)).State);
        var end = await _staging.EndOfAsync(second);
        Assert.Equal("halted", end.State);
        Assert.Contains("would deny everything", end.Explanation, StringComparison.Ordinal);
        Assert.Null(_staging.Server.Ledger.State.Policy.Unreadable);

        static string SignedBy(string name, int from) => Permit(
            name, string.Join(", ", Enumerable.Range(from, 80).Select(at => $"{{ spiffeIdPrefix: {Shop}, signer: {SignerKeys.Value[at]} }}")), "start");
    }

    [Fact]
    public async Task Waits_for_signatures_that_it_may_not_try_yet_and_stops_by_what_they_say()
    {
        // More than a change that is tried may have verified at once, by a little; whichever component comes last is signed.
        const int Running = 200;
        var tried = 0;
        using var session = _staging.Server.Live.Open(SpiffeId.Parse("spiffe://example.org/spire/agent/a"));
        session.Replace([.. Enumerable.Range(0, Running).Select(Signed)]);
        var keys = string.Join(", ", SignerKeys.Value.Take(CapabilityPolicy.MaxSignerKeys).Select(key => $"{{ signer: {key} }}"));
        var staged = await _staging.StageAsync([Forbid("guard", keys, Clocks)]);

        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Explanation.Contains("signatures", StringComparison.Ordinal));
        var waits = await _staging.FindAsync(staged.Id);
        Assert.Equal("soaking", waits.State);
        Assert.StartsWith("waits until the signatures of what runs have been tried with the keys that it names, such as those of spiffe://example.org/", waits.Explanation, StringComparison.Ordinal);
        Assert.InRange(Volatile.Read(ref tried), 1, (Running - 1) * ComponentSignatures.MaxSignatures * CapabilityPolicy.MaxSignerKeys);

        var end = await _staging.EndOfAsync(staged);
        Assert.Equal("halted", end.State);
        Assert.Contains("guard/only", end.Explanation, StringComparison.Ordinal);
        Assert.Equal(["shop"], _staging.Server.Ledger.State.Policies.Keys);

        ReportedAdmission Signed(int number)
        {
            byte[][] signatures = [.. Enumerable.Range(0, ComponentSignatures.MaxSignatures).Select(at => Numbered(ComponentSignatures.SignatureSize, number * 8 + at + 1))];
            Assert.True(ComponentSignatures.TryCreate(Numbered(32, number), signatures, out var told, out var problem), problem);
            return new ReportedAdmission($"a{number}", SpiffeId.Parse($"{Shop}/cart{number}"), Host, Digest, "", 1)
            {
                Imports = ImportsOf("wasi:clocks/wall-clock@0.2.0"),
                Signers = new VerifiedSigners(told, (_, _, _) => Interlocked.Increment(ref tried) > (Running - 1) * ComponentSignatures.MaxSignatures * CapabilityPolicy.MaxSignerKeys),
            };
        }

        static byte[] Numbered(int size, int number)
        {
            var bytes = new byte[size];
            BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
            return bytes;
        }
    }

    [Fact]
    public async Task Stops_when_there_would_be_too_many_documents_together_with_what_was_put_into_force_meanwhile()
    {
        var staged = await _staging.StageAsync([Forbid("last", capability: Sockets), Forbid("one-more", capability: Sockets)], soak: 3600);
        await _staging.Admin.ApplyAsync([.. Enumerable.Range(0, PolicyRegistry.MaxDocuments - 2).Select(at => Permit($"p{at}", "{ spiffeId: spiffe://example.org/nobody }"))]);
        var end = await _staging.EndOfAsync(staged);
        Assert.Equal("halted", end.State);
        Assert.Contains("at most 1000", end.Explanation, StringComparison.Ordinal);
        Assert.DoesNotContain("last", _staging.Server.Ledger.State.Policies.Keys);
    }

    [Fact]
    public async Task Does_not_care_about_what_is_denied_already()
    {
        _staging.Run("a", ["wasi:filesystem/types@0.2.0"]);
        Assert.Equal("in force", (await _staging.EndOfAsync(await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)]))).State);
    }

    [Fact]
    public async Task Stops_when_somebody_changes_the_same_policy_meanwhile()
    {
        var staged = await _staging.StageAsync([Permit("shop")], soak: 3600);
        await _staging.Admin.ApplyAsync(Forbid("shop"));
        var end = await _staging.EndOfAsync(staged);
        Assert.Equal("halted", end.State);
        Assert.Contains("'shop'", end.Explanation, StringComparison.Ordinal);
        Assert.Equal(Forbid("shop"), _staging.Server.Ledger.State.Policies["shop"].Text);
    }

    [Fact]
    public async Task Stops_when_another_change_of_policy_makes_it_deny_what_runs()
    {
        await _staging.Admin.ApplyAsync(Permit("second", capability: Clocks));
        _staging.Run("a", ["wasi:clocks/wall-clock@0.2.0"]);
        // Harmless while the other policy grants the same.
        var staged = await _staging.StageAsync([Permit("shop")], soak: 3600);
        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Checked > 0);
        await _staging.Admin.DeleteAsync("second");
        Assert.Equal("halted", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Is_only_tried_when_nobody_asked_for_enforcement()
    {
        var end = await _staging.EndOfAsync(await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)], through: ["shadow"]));
        Assert.Equal("passed", end.State);
        Assert.Single(_staging.Server.Ledger.State.Policies);
    }

    [Fact]
    public async Task Counts_in_step_shadow_what_is_only_asked_and_stops_on_it_in_step_warn()
    {
        var request = CapabilityRequest.Parse("import wasi:sockets/tcp@0.2.0");
        var shadow = await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)], soak: 3600, through: ["shadow"]);
        var observations = _staging.Server.Service<StageObservations>();
        await UntilAsync(() => Task.FromResult(observations.IsOpen));
        observations.Decided(Principal.Process(Cart), request, allowed: true);
        await UntilAsync(async () => (await _staging.FindAsync(shadow.Id)).WouldDeny == 1);
        Assert.Equal("soaking", (await _staging.FindAsync(shadow.Id)).State);
        await _staging.Admin.Client.AbortStageAsync(new() { Id = shadow.Id });

        var warn = await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)], soak: 3600, through: ["warn"]);
        await UntilAsync(() => Task.FromResult(observations.IsOpen));
        Assert.True(_staging.Server.Service<Identity.Server.DecisionPoints.DecisionPoint>().Decide(Principal.Process(Cart), [request], DoorName.Grpc).Allowed);
        Assert.Equal("halted", (await _staging.EndOfAsync(warn)).State);
    }

    [Fact]
    public async Task Survives_a_restart_and_soaks_anew()
    {
        var staged = await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)], soak: 2, through: ["shadow", "enforce"]);
        await _staging.Server.RestartAsync();
        // What runs is known again only after the agents are back.
        _staging.Run("a", ["wasi:sockets/tcp@0.2.0"]);
        Assert.Equal("halted", (await _staging.EndOfAsync(staged)).State);

        var other = await _staging.StageAsync([Forbid("no-clocks", capability: Clocks)], soak: 1, through: ["shadow", "enforce"]);
        await _staging.Server.RestartAsync();
        Assert.Equal("in force", (await _staging.EndOfAsync(other)).State);
    }

    [Fact]
    public async Task Is_aborted_by_its_author_or_an_administrator_once()
    {
        await _staging.Admin.ApplyAsync(Role("shop-team", $"{Ann}, spiffe://example.org/people/bob"));
        var ann = new PolicyWriter(await _staging.Server.AsAsync(Ann));
        var bob = new PolicyWriter(await _staging.Server.AsAsync("spiffe://example.org/people/bob"));
        var staged = await _staging.StageAsync([Forbid("shop.guard", capability: Sockets)], soak: 3600, by: ann);
        await RefusedAsync(async () => await bob.Client.AbortStageAsync(new() { Id = staged.Id }), StatusCode.PermissionDenied);
        Assert.Equal("aborted", (await ann.Client.AbortStageAsync(new() { Id = staged.Id, Reason = "thought again" })).State);
        await RefusedAsync(async () => await _staging.Admin.Client.AbortStageAsync(new() { Id = staged.Id }), StatusCode.FailedPrecondition);
    }

    [Fact]
    public async Task Is_no_way_around_roles_or_approvals()
    {
        await _staging.Admin.ApplyAsync(Role("shop-team", Ann, approvals: 1));
        var ann = new PolicyWriter(await _staging.Server.AsAsync(Ann));
        await RefusedAsync(() => _staging.StageAsync([Permit("guard")], by: ann), StatusCode.PermissionDenied);
        var asked = await _staging.StageAsync([Permit("shop.more", capability: "{ import: wasi:io/poll@0.2.0 }")], by: ann);
        Assert.Equal(("waits for approval", "", 1), (asked.State, asked.Id, asked.Proposal.ApprovalsRequired));
        Assert.Empty((await _staging.Admin.Client.ListStagesAsync(new())).Stages);
        var staged = await _staging.StageAsync([Forbid("shop.guard", capability: Sockets)], soak: 3600, by: ann);
        await _staging.Admin.Client.DeletePoliciesAsync(new() { Roles = { "shop-team" } });
        Assert.Equal("halted", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Keeps_no_documents_of_what_is_over_and_still_shows_it()
    {
        var staged = await _staging.StageAsync([Forbid("no-sockets", capability: Sockets)], soak: 3600);
        Assert.NotEmpty(_staging.Server.Ledger.State.Governance.Stages[staged.Id].Set[0].Text);
        await _staging.Admin.Client.AbortStageAsync(new() { Id = staged.Id, Reason = "enough" });
        Assert.Empty(_staging.Server.Ledger.State.Governance.Stages[staged.Id].Set[0].Text);
        Assert.Equal(["no-sockets"], (await _staging.FindAsync(staged.Id)).Changes.Select(change => change.Name));
        await _staging.Server.RestartAsync();
        Assert.Empty(_staging.Server.Ledger.State.Governance.Stages[staged.Id].Set[0].Text);
    }

    [Fact]
    public async Task Lets_nobody_take_all_the_room_there_is()
    {
        await _staging.Admin.ApplyAsync(Role("shop-team", Ann));
        var ann = new PolicyWriter(await _staging.Server.AsAsync(Ann));
        for (var i = 0; i < 4; i++) await _staging.StageAsync([Forbid($"shop.guard{i}", capability: Sockets)], soak: 3600, by: ann);
        await RefusedAsync(() => _staging.StageAsync([Forbid("shop.guard9", capability: Sockets)], soak: 3600, by: ann), StatusCode.ResourceExhausted);
        Assert.Equal("soaking", (await _staging.StageAsync([Forbid("guard", capability: Sockets)], soak: 3600)).State);
    }

    [Fact]
    public async Task A_thousand_writers_change_no_policy_that_is_being_tried_unseen_and_none_goes_into_force_twice()
    {
        var staged = await _staging.StageAsync([Forbid("no-sockets", capability: Sockets), Permit("p0", capability: Clocks)], soak: 1, through: ["shadow", "enforce"]);
        var writers = Enumerable.Range(0, 1000).Select(async i =>
        {
            // Every tenth writes what is staged; the others write beside it.
            try
            {
                if (i % 10 == 0) await _staging.Admin.ApplyAsync(Permit("p0", $"{{ spiffeId: {Shop}/w{i} }}"));
                else if (i % 10 == 1) await _staging.Admin.Client.AbortStageAsync(new() { Id = "s-unknown" });
                else await _staging.Admin.ApplyAsync(Permit($"w{i % 50}", $"{{ spiffeId: {Shop}/w{i} }}"));
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Aborted or StatusCode.NotFound)
            {
                // Somebody was faster; said, not lost.
            }
        });
        await Task.WhenAll(writers);

        var end = await _staging.EndOfAsync(staged);

        // It stops, unless it was in force before anybody wrote what it is about; then nobody wrote that in between.
        var all = _staging.Server.Ledger.ListTransactions(5000).Reverse().ToList();
        var records = all.Where(one => one.Transaction.Changes.Any(change => change.PolicyStageSet?.Id == staged.Id)).Select(one => one.Revision).ToList();
        var written = all.Where(one => one.Revision > records[0] && one.Revision < records[^1] && one.Transaction.Changes.Any(change => change.PolicySet?.Name == "p0"));
        if (end.State == "in force")
        {
            Assert.Empty(written);
            return;
        }

        Assert.Equal("halted", end.State);
        Assert.Contains("'p0'", end.Explanation, StringComparison.Ordinal);
        Assert.NotEmpty(written);
        Assert.DoesNotContain("no-sockets", _staging.Server.Ledger.State.Policies.Keys);
    }

    [Fact]
    public async Task Refuses_what_it_cannot_try()
    {
        await RefusedAsync(() => _staging.StageAsync([Role("a", "unix:4242")]), StatusCode.InvalidArgument);
        await RefusedAsync(() => _staging.StageAsync([Forbid("x")], soak: 0), StatusCode.InvalidArgument);
        await RefusedAsync(() => _staging.StageAsync([Forbid("x")], soak: 40 * 86400), StatusCode.InvalidArgument);
        await RefusedAsync(() => _staging.StageAsync([Forbid("x")], through: ["enforce", "shadow"]), StatusCode.InvalidArgument);
        await RefusedAsync(() => _staging.StageAsync([Forbid("x")], through: ["warn", "warn"]), StatusCode.InvalidArgument);
        await RefusedAsync(() => _staging.StageAsync([Forbid("x")], through: ["later"]), StatusCode.InvalidArgument);
        await RefusedAsync(() => _staging.StageAsync([Permit("shop", capability: $"start, {Sockets}, {Clocks}")]), StatusCode.FailedPrecondition);
    }

    private IEnumerable<string> Records(string id) => _staging.Server.Ledger.ListTransactions(100).Reverse()
        .SelectMany(transaction => transaction.Transaction.Changes).Select(change => change.PolicyStageSet).Where(stage => stage?.Id == id)
        .Select(stage => stage.State == Identity.Ledger.V1.PolicyStage.Types.State.InForce ? "in force"
            : stage.Step == 0 ? "staged" : stage.Through[(int)stage.Step].ToString().ToLowerInvariant());

    private static async Task RefusedAsync(Func<Task> call, StatusCode code) => Assert.Equal(code, (await Assert.ThrowsAsync<RpcException>(call)).StatusCode);
}
