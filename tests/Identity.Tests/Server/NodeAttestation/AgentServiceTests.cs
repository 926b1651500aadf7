// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Identity.Server.ComponentPolicy;
using Identity.V1;
using Spire.Api.Server.Agent.V1;
using Spire.Api.Server.Entry.V1;
using Spire.Api.Types;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;
using EntryClient = Spire.Api.Server.Entry.V1.Entry.EntryClient;

namespace Identity.Tests.Server.NodeAttestation;

public sealed class AgentServiceTests : IAsyncLifetime
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private RegistryServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await RegistryServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _key.Dispose();
    }

    [Fact]
    public async Task Gives_exactly_one_of_many_concurrent_callers_an_svid_for_one_token()
    {
        var token = await _server.CreateTokenAsync();

        var attempts = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            try
            {
                return await _server.AttestAsync(token, _key);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.InvalidArgument)
            {
                Assert.Contains("already been used", e.Status.Detail, StringComparison.Ordinal);
                return null;
            }
        }));

        var winner = Assert.Single(attempts.OfType<X509SVID>());
        Assert.DoesNotContain(token, winner.Id.Path, StringComparison.Ordinal);
        Assert.Empty(_server.Ledger.State.JoinTokens);
        Assert.Equal(0, _server.Ledger.ListTransactions(100).Count(t => t.Transaction.ToString().Contains(token, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Refuses_an_expired_token_and_keeps_it_unconsumed()
    {
        var token = await _server.CreateTokenAsync(ttl: 60);
        _server.Time.Shift = TimeSpan.FromSeconds(61);

        var refused = await RefusedAsync(() => _server.AttestAsync(token, _key));

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Contains("expired", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Empty(_server.Ledger.State.Agents);
    }

    [Theory]
    [InlineData("x509pop", "0123456789012345678901234567890123456789", "join_token only")]
    [InlineData("", "0123456789012345678901234567890123456789", "join_token only")]
    [InlineData("join_token", "0123456789012345678901234567890123456789", "does not exist")]
    [InlineData("join_token", "../../../../spire/server/aaaaaaaaaaaaaa", "character")]
    [InlineData("join_token", "", "0 bytes")]
    public async Task Refuses_evidence_that_proves_nothing(string type, string token, string expected)
    {
        var refused = await RefusedAsync(() => _server.AttestAsync(token, _key, type));

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Contains(expected, refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keeps_the_token_good_when_only_the_csr_was_bad()
    {
        var token = await _server.CreateTokenAsync();

        var refused = await RefusedAsync(() => _server.AttestAsync(token, _key, csr: [1, 2, 3]));
        var svid = await _server.AttestAsync(token, _key);

        Assert.Contains("csr", refused.Status.Detail, StringComparison.Ordinal);
        Assert.NotEmpty(svid.CertChain);
    }

    [Fact]
    public async Task Records_a_refusal_under_the_id_that_it_names()
    {
        var refused = await RefusedAsync(() => _server.AttestAsync("0123456789012345678901234567890123456789", _key));

        var id = refused.Status.Detail[refused.Status.Detail.IndexOf("d-", StringComparison.Ordinal)..].TrimEnd(')');
        var decision = await new Explain.ExplainClient(_server.Admin).GetDecisionAsync(new GetDecisionRequest { Id = id });
        Assert.Equal((DecisionKind.NodeAttestation, false), (decision.Kind, decision.Allowed));
    }

    [Fact]
    public async Task Failures_to_attest_count_as_strangers_refusals()
    {
        await RefusedAsync(() => _server.AttestAsync("0123456789012345678901234567890123456789", _key));
        for (var at = 0; at < DecisionLog.MaxStrangersPerMinute - 1; at++) _server.Decisions.Record(new Decision { Summary = "a stranger" });

        Assert.Null(_server.Decisions.TryGet(_server.Decisions.Record(new Decision { Summary = "one too many" })));
    }

    [Fact]
    public async Task Refuses_a_first_message_that_is_not_params()
    {
        using var call = new AgentClient(_server.Anonymous).AttestAgent();
        await call.RequestStream.SendAsync(new AttestAgentRequest { ChallengeResponse = ByteString.CopyFromUtf8("x") });

        var refused = await RefusedAsync(() => call.ResponseStream.MoveNext(CancellationToken.None));

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }

    [Theory]
    [InlineData(0, "", "ttl")]
    [InlineData(-1, "", "ttl")]
    [InlineData(86401, "", "ttl")]
    [InlineData(60, "short", "join token has")]
    [InlineData(60, "aaaaaaaaaaaaaaaaaaaaaaaa/../b", "character")]
    public async Task Creates_no_token_that_is_bad_or_lives_too_long(int ttl, string token, string expected)
    {
        var refused = await RefusedAsync(() => new AgentClient(_server.Admin)
            .CreateJoinTokenAsync(new CreateJoinTokenRequest { Ttl = ttl, Token = token }).ResponseAsync);

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Contains(expected, refused.Status.Detail, StringComparison.Ordinal);
        Assert.Empty(_server.Ledger.State.JoinTokens);
    }

    [Theory]
    [InlineData("/spire/server")]
    [InlineData("/spire/agent/join_token/other")]
    [InlineData("")]
    public async Task Creates_neither_token_nor_alias_for_a_reserved_id(string alias)
    {
        var refused = await RefusedAsync(() => _server.CreateTokenAsync(alias));

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Empty(_server.Ledger.State.JoinTokens);
        Assert.Empty(_server.Ledger.State.Entries);
    }

    [Fact]
    public async Task Refuses_a_token_that_was_used_before()
    {
        const string chosen = "d3f1c8a2-7b54-4f0e-9a6d-2c1e5b7f8a90";
        var admin = new AgentClient(_server.Admin);
        await admin.CreateJoinTokenAsync(new CreateJoinTokenRequest { Ttl = 60, Token = chosen });
        await _server.AttestAsync(chosen, _key);

        var refused = await RefusedAsync(() => admin.CreateJoinTokenAsync(new CreateJoinTokenRequest { Ttl = 60, Token = chosen }).ResponseAsync);

        Assert.Equal(StatusCode.AlreadyExists, refused.StatusCode);
        Assert.DoesNotContain(chosen, refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lets_an_agent_renew_again_with_the_svid_it_had_when_the_answer_was_lost()
    {
        var agent = await _server.AttestAsync();
        var first = _server.Ledger.State.Agents[agent.Id.ToString()].Serial;
        var client = new AgentClient(agent.Invoker);

        await client.RenewAgentAsync(Renewal());
        await client.RenewAgentAsync(Renewal());

        var known = _server.Ledger.State.Agents[agent.Id.ToString()];
        Assert.Equal(first, known.PreviousSerial);
        Assert.NotEqual(first, known.Serial);
    }

    [Fact]
    public async Task Refuses_a_banned_agent_with_SPIREs_reason()
    {
        var agent = await _server.AttestAsync();
        var admin = new AgentClient(_server.Admin);
        await admin.BanAgentAsync(new BanAgentRequest { Id = Wire(agent) });

        var refused = await RefusedAsync(() => new AgentClient(agent.Invoker).RenewAgentAsync(Renewal()).ResponseAsync);

        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
        Assert.Contains(refused.Trailers, t => t.Key == "grpc-status-details-bin");
        Assert.True((await admin.GetAgentAsync(new GetAgentRequest { Id = Wire(agent) })).Banned);
        Assert.Equal(1, (await admin.CountAgentsAsync(new CountAgentsRequest { Filter = new() { ByBanned = true } })).Count);
        Assert.Equal(0, (await admin.CountAgentsAsync(new CountAgentsRequest { Filter = new() { ByCanReattest = true } })).Count);
    }

    [Fact]
    public async Task Forgets_a_deleted_agent_and_answers_NotFound_the_second_time()
    {
        var agent = await _server.AttestAsync();
        var admin = new AgentClient(_server.Admin);
        await admin.DeleteAgentAsync(new DeleteAgentRequest { Id = Wire(agent) });

        Assert.Equal(StatusCode.NotFound, (await RefusedAsync(() => admin.DeleteAgentAsync(new DeleteAgentRequest { Id = Wire(agent) }).ResponseAsync)).StatusCode);
        Assert.Equal(StatusCode.PermissionDenied, (await RefusedAsync(() => new AgentClient(agent.Invoker).RenewAgentAsync(Renewal()).ResponseAsync)).StatusCode);
        Assert.Empty((await admin.ListAgentsAsync(new ListAgentsRequest())).Agents);
    }

    [Fact]
    public async Task Opens_administration_to_admins_only_and_agents_calls_to_agents_only()
    {
        var agent = await _server.AttestAsync();

        foreach (var caller in new[] { agent.Invoker, _server.Anonymous })
        {
            await DeniedAsync(() => new AgentClient(caller).CreateJoinTokenAsync(new CreateJoinTokenRequest { Ttl = 60 }).ResponseAsync);
            await DeniedAsync(() => new EntryClient(caller).BatchCreateEntryAsync(new BatchCreateEntryRequest()).ResponseAsync);
            await DeniedAsync(() => new EntryClient(caller).ListEntriesAsync(new ListEntriesRequest()).ResponseAsync);
            await DeniedAsync(() => new PolicyAdmin.PolicyAdminClient(caller).ApplyPoliciesAsync(new ApplyPoliciesRequest()).ResponseAsync);
            await DeniedAsync(() => new Control.ControlClient(caller).GetStatusAsync(new GetStatusRequest()).ResponseAsync);
        }

        foreach (var caller in new[] { _server.Admin, _server.Anonymous })
        {
            await DeniedAsync(() => new AgentClient(caller).RenewAgentAsync(Renewal()).ResponseAsync);
            await DeniedAsync(() => new EntryClient(caller).GetAuthorizedEntriesAsync(new GetAuthorizedEntriesRequest()).ResponseAsync);
        }

        Assert.Single((await new EntryClient(agent.Invoker).GetAuthorizedEntriesAsync(new GetAuthorizedEntriesRequest())).Entries);
    }

    private static async Task DeniedAsync(Func<Task> call) =>
        Assert.True((await RefusedAsync(call)).StatusCode is StatusCode.PermissionDenied or StatusCode.Unauthenticated);

    private static Task<RpcException> RefusedAsync(Func<Task> call) => Assert.ThrowsAsync<RpcException>(call);

    private static SPIFFEID Wire(TestAgent agent) => new() { TrustDomain = "example.org", Path = agent.Id.Path };

    private RenewAgentRequest Renewal() => new() { Params = new AgentX509SVIDParams { Csr = ByteString.CopyFrom(RegistryServer.Csr(_key)) } };
}
