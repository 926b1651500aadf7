// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.V1;

namespace Identity.Tests.Server.DecisionPoints.Grpc;

/// <summary>The gRPC door, over the admin socket and over mutual TLS.</summary>
public sealed class DecisionPointServiceTests
{
    private const string Gateway = "spiffe://example.org/gateways/edge";

    private const string Policy = """
        kind: CapabilityPolicy
        name: shop
        rules:
          - name: cart
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/cart" }]
            capabilities:
              - start
              - connect: api.example.com:443
          - name: not-the-bad-bytes
            effect: forbid
            subjects: [{ digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000" }]
            capabilities: [start]
        """;

    [Fact]
    public async Task Decides_explains_and_remembers()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var admin = new DecisionPoint.DecisionPointClient(world.Server.Admin);
        var allowed = await admin.DecideAsync(Ask("connect", "api.example.com:443"));
        Assert.True(allowed.Allowed, allowed.Reason);
        Assert.Equal("shop/cart", Assert.Single(allowed.Verdicts).Rule);

        var denied = await admin.DecideAsync(Ask("connect", "api.example.com:80"));
        Assert.False(denied.Allowed);
        Assert.Contains("nearest is rule shop/cart", denied.Reason, StringComparison.Ordinal);
        Assert.Contains("connect: api.example.com:80", Assert.Single(denied.Verdicts).SmallestGrant, StringComparison.Ordinal);
        Assert.Equal(world.Server.Ledger.State.Revision, denied.Revision);

        var why = await admin.ExplainAsync(new ExplainRequest { DecisionId = denied.DecisionId });
        Assert.Equal((DecisionKind.Capability, "grpc", false), (why.Kind, why.Door, why.Allowed));
        Assert.StartsWith("admin:uid=", why.AskedBy, StringComparison.Ordinal);
        Assert.Equal("spiffe://example.org/cart", why.Subject);
        Assert.Equal("connect api.example.com:80", Assert.Single(why.Reasons).Capability);
    }

    [Fact]
    public async Task One_grant_turns_a_refusal_of_several_capabilities()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var admin = new DecisionPoint.DecisionPointClient(world.Server.Admin);
        var request = Ask("connect", "api.example.com:80");
        request.Questions.Add(new CapabilityQuestion { Kind = "resolve", Value = "api.example.com" });
        var why = await admin.ExplainAsync(new ExplainRequest { DecisionId = (await admin.DecideAsync(request)).DecisionId });

        var grant = Assert.Single(why.Reasons.Select(reason => reason.SmallestGrant).Distinct());
        await new PolicyAdmin.PolicyAdminClient(world.Server.Admin).ApplyPoliciesAsync(new() { Documents = { new PolicySource { Text = grant } }, Reason = "a test" });
        Assert.True((await admin.DecideAsync(request)).Allowed);

        // Where a rule forbids a part of it, no grant turns the whole.
        request = Ask("connect", "api.example.com:81");
        request.Principal.Digest = $"sha256:{new string('0', 64)}";
        request.Questions.Add(new CapabilityQuestion { Kind = "start" });
        why = await admin.ExplainAsync(new ExplainRequest { DecisionId = (await admin.DecideAsync(request)).DecisionId });
        Assert.Equal(["", ""], why.Reasons.Select(reason => reason.SmallestGrant));
    }

    [Fact]
    public async Task No_grant_is_named_that_asks_for_less_than_the_nearest_rule()
    {
        await using var world = await DecisionWorld.StartAsync(Policy.Replace(
            "subjects: [{ spiffeId: \"spiffe://example.org/cart\" }]", "subjects: [{ spiffeId: \"spiffe://example.org/cart\", imagePrefix: ghcr.io/acme }]", StringComparison.Ordinal));
        var admin = new DecisionPoint.DecisionPointClient(world.Server.Admin);
        var request = Ask("connect", "api.example.com:443");
        var denied = await admin.DecideAsync(request);
        Assert.Equal((false, ""), (denied.Allowed, Assert.Single(denied.Verdicts).SmallestGrant));
        Assert.Contains("nearest is rule shop/cart", denied.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_no_among_several_questions_is_a_no_and_the_verdicts_stand_in_order()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var request = Ask("connect", "api.example.com:443");
        request.Questions.Add(new CapabilityQuestion { Kind = "resolve", Value = "api.example.com" });
        request.Questions.Add(new CapabilityQuestion { Kind = "connect", Value = "api.example.com:443" });
        var answer = await new DecisionPoint.DecisionPointClient(world.Server.Admin).DecideAsync(request);
        Assert.False(answer.Allowed);
        Assert.Equal([true, false, true], answer.Verdicts.Select(verdict => verdict.Allowed));
    }

    [Fact]
    public async Task What_is_not_told_is_unknown_and_a_forbid_about_it_forbids()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var admin = new DecisionPoint.DecisionPointClient(world.Server.Admin);
        var untold = await admin.DecideAsync(Ask("start", ""));
        Assert.False(untold.Allowed);
        Assert.Contains("digest", untold.Reason, StringComparison.OrdinalIgnoreCase);

        var process = Ask("start", "");
        process.Principal.KnownAbsent.Add(PrincipalAttribute.Digest);
        Assert.True((await admin.DecideAsync(process)).Allowed);

        var told = Ask("start", "");
        told.Principal.Digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
        Assert.True((await admin.DecideAsync(told)).Allowed);
    }

    [Fact]
    public async Task A_decision_client_asks_over_mutual_TLS_and_sees_its_own_decisions_only()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("decision-client:0", Gateway), ("decision-client:1", "spiffe://example.org/brokers/*"));
        var gateway = new DecisionPoint.DecisionPointClient(await world.Server.AsAsync(Gateway));
        var broker = new DecisionPoint.DecisionPointClient(await world.Server.AsAsync("spiffe://example.org/brokers/one"));
        var answer = await gateway.DecideAsync(Ask("connect", "api.example.com:443"));
        Assert.True(answer.Allowed);
        Assert.Equal(Gateway, (await gateway.ExplainAsync(new ExplainRequest { DecisionId = answer.DecisionId })).AskedBy);
        Assert.True((await broker.DecideAsync(Ask("connect", "api.example.com:443"))).Allowed);
        Assert.Equal(StatusCode.NotFound, await StatusAsync(() => broker.ExplainAsync(new ExplainRequest { DecisionId = answer.DecisionId })));
        var operators = new DecisionPoint.DecisionPointClient(world.Server.Admin);
        Assert.Equal(Gateway, (await operators.ExplainAsync(new ExplainRequest { DecisionId = answer.DecisionId })).AskedBy);
    }

    [Fact]
    public async Task Nobody_else_may_ask()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("decision-client:0", Gateway), ("decision-client:1", "spiffe://example.org/brokers/*"));
        var callers = new[]
        {
            world.Server.Anonymous,
            await world.Server.AsAsync("spiffe://example.org/gateways/other"),
            await world.Server.AsAsync("spiffe://example.org/brokers"),
            await world.Server.AsAsync("spiffe://example.org/brokers2/one"),
            (await world.Server.AttestAsync()).Invoker,
        };
        foreach (var caller in callers)
        {
            var client = new DecisionPoint.DecisionPointClient(caller);
            Assert.True(await StatusAsync(() => client.DecideAsync(Ask("start", ""))) is StatusCode.PermissionDenied or StatusCode.Unauthenticated);
            Assert.True(await StatusAsync(() => client.DecideBatchAsync(new DecideBatchRequest())) is StatusCode.PermissionDenied or StatusCode.Unauthenticated);
            Assert.True(await StatusAsync(() => client.ExplainAsync(new ExplainRequest())) is StatusCode.PermissionDenied or StatusCode.Unauthenticated);
        }
    }

    [Fact]
    public async Task A_decision_client_may_do_nothing_else()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("decision-client:0", Gateway));
        var gateway = await world.Server.AsAsync(Gateway);
        Assert.Equal(StatusCode.PermissionDenied, await StatusAsync(() => new PolicyAdmin.PolicyAdminClient(gateway).ListPoliciesAsync(new ListPoliciesRequest())));
        Assert.Equal(StatusCode.PermissionDenied, await StatusAsync(() => new Explain.ExplainClient(gateway).ListDecisionsAsync(new ListDecisionsRequest())));
    }

    [Fact]
    public async Task A_consistency_token_is_honoured_or_refused()
    {
        await using var world = await DecisionWorld.StartAsync(null);
        var admin = new DecisionPoint.DecisionPointClient(world.Server.Admin);
        Assert.False((await admin.DecideAsync(Ask("connect", "api.example.com:443"))).Allowed);

        // Asked before it is there, answered once it is.
        var request = Ask("connect", "api.example.com:443");
        request.MinRevision = world.Server.Ledger.State.Revision + 1;
        var waiting = admin.DecideAsync(request).ResponseAsync;
        var revision = await world.ApplyAsync(Policy);
        var answer = await waiting;
        Assert.True(answer.Allowed);
        Assert.True(answer.Revision >= revision);

        request.MinRevision = revision + 1000;
        Assert.Equal(StatusCode.FailedPrecondition, await StatusAsync(() => admin.DecideAsync(request)));
    }

    [Fact]
    public async Task A_dry_run_leaves_no_trace()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var before = world.Server.Decisions.List(1000, deniedOnly: false).Count;
        var request = Ask("connect", "evil.example.com:443");
        request.DryRun = true;
        var answer = await new DecisionPoint.DecisionPointClient(world.Server.Admin).DecideAsync(request);
        Assert.Equal((false, ""), (answer.Allowed, answer.DecisionId));
        Assert.Equal(before, world.Server.Decisions.List(1000, deniedOnly: false).Count);
    }

    [Fact]
    public async Task A_batch_is_answered_in_order_at_one_revision()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var batch = new DecideBatchRequest { Requests = { Ask("connect", "api.example.com:443"), Ask("connect", "b.example.com:443"), Ask("connect", "API.example.com:443") } };
        var answer = await new DecisionPoint.DecisionPointClient(world.Server.Admin).DecideBatchAsync(batch);
        Assert.Equal([true, false, true], answer.Responses.Select(response => response.Allowed));
        Assert.All(answer.Responses, response => Assert.Equal(answer.Revision, response.Revision));
        Assert.Equal(3, answer.Responses.Select(response => response.DecisionId).Distinct().Count());
    }

    [Fact]
    public async Task Malformed_questions_are_errors_that_name_every_problem()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var admin = new DecisionPoint.DecisionPointClient(world.Server.Admin);
        await RefusedAsync(new DecideRequest(), "0 questions");
        await RefusedAsync(new DecideRequest { Questions = { new CapabilityQuestion { Kind = "start" } } }, "principal is missing");
        await RefusedAsync(Ask("conect", "a:1"), "did you mean 'connect'");
        await RefusedAsync(Ask("connect", "api.example.com"), "names no port");
        await RefusedAsync(Ask("start", "now"), "'start' has no value");
        await RefusedAsync(With(principal => principal.SpiffeId = "cart"), "spiffe://");
        await RefusedAsync(With(principal => principal.Digest = "sha256:beef"), "digest:");
        await RefusedAsync(With(principal => principal.Image = "cart:1"), "image:");
        await RefusedAsync(With(principal => principal.Host = "http://x"), "host:");
        await RefusedAsync(With(principal => principal.Namespace = "a b"), "namespace");
        await RefusedAsync(With(principal => principal.Signers.Add("*")), "signers:");
        await RefusedAsync(With(principal => principal.KnownAbsent.Add((PrincipalAttribute)99)), "no attribute");
        await RefusedAsync(With(principal => { principal.Lattice = "x"; principal.KnownAbsent.Add(PrincipalAttribute.Lattice); }), "said to be absent");
        var many = Ask("start", "");
        many.Questions.AddRange(Enumerable.Repeat(new CapabilityQuestion { Kind = "start" }, 256));
        await RefusedAsync(many, "257 questions");
        Assert.Equal(StatusCode.InvalidArgument, await StatusAsync(() => admin.DecideBatchAsync(new DecideBatchRequest())));
        Assert.Equal(StatusCode.InvalidArgument, await StatusAsync(() => admin.ExplainAsync(new ExplainRequest { DecisionId = "d-x" })));
        Assert.Equal(StatusCode.NotFound, await StatusAsync(() => admin.ExplainAsync(new ExplainRequest { DecisionId = "d-" + new string('a', 26) })));

        async Task RefusedAsync(DecideRequest request, string problem)
        {
            var refusal = await Assert.ThrowsAsync<RpcException>(() => admin.DecideAsync(request).ResponseAsync);
            Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
            Assert.Contains(problem, refusal.Status.Detail, StringComparison.OrdinalIgnoreCase);
        }

        static DecideRequest With(Action<DecisionPrincipal> change)
        {
            var request = Ask("start", "");
            change(request.Principal);
            return request;
        }
    }

    private static DecideRequest Ask(string kind, string value) => new()
    {
        Principal = new DecisionPrincipal { SpiffeId = "spiffe://example.org/cart" },
        Questions = { new CapabilityQuestion { Kind = kind, Value = value } },
    };

    private static async Task<StatusCode> StatusAsync<T>(Func<AsyncUnaryCall<T>> call)
    {
        try
        {
            await call();
            return StatusCode.OK;
        }
        catch (RpcException e)
        {
            return e.StatusCode;
        }
    }
}
