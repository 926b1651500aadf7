using Google.Protobuf.WellKnownTypes;
using Identity.Ledger.V1;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.Server.NatsAuthCallout;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Spire.Api.Types;
using AgentRecord = Identity.Ledger.V1.Agent;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>How the control plane regards an identity at its login, by a real ledger.</summary>
public sealed class NatsLoginBackendTests : IAsyncLifetime
{
    private const string Agent = "spiffe://example.org/spire/agent/join_token/1";
    private const string Digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");
    private static readonly SpiffeId Listener = SpiffeId.Parse("spiffe://example.org/listener");
    private static readonly SpiffeId Greeter = SpiffeId.Parse("spiffe://example.org/components/greeter");

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private readonly ShadowCounts _shadows = new(TimeProvider.System);
    private ControlPlaneLedger _ledger = null!;
    private LiveAdmissions _live = null!;
    private DecisionLog _decisions = null!;
    private NatsLoginBackend _backend = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Refuses_who_is_not_registered() => Assert.Contains("no registration entry", Refusal(Listener), StringComparison.Ordinal);

    [Fact]
    public async Task Knows_a_workload_below_an_attested_agent_its_alias_or_a_host_on_it()
    {
        await AppendAsync(Attested(Agent), Entry("direct", "/direct", Agent), Entry("alias", "/nodes/local", "spiffe://example.org/spire/server", $"spiffe_id:{Agent}"),
            Entry("host", "/hosts/local", "spiffe://example.org/nodes/local"), Entry("deep", "/listener", "spiffe://example.org/hosts/local"));
        Assert.Equal(new LoginStanding.Workload(), Standing(SpiffeId.Parse("spiffe://example.org/direct")));
        Assert.Equal(new LoginStanding.Workload(), Standing(SpiffeId.Parse("spiffe://example.org/hosts/local")));
        Assert.Equal(new LoginStanding.Workload(), Standing(Listener));

        // The alias stands for the node; nobody is issued it.
        Assert.Contains("vouch", Refusal(SpiffeId.Parse("spiffe://example.org/nodes/local")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_workload_whose_every_agent_is_banned_or_gone()
    {
        await AppendAsync(Attested(Agent), Entry("e", "/listener", Agent));
        await AppendAsync(Attested(Agent, banned: true));
        Assert.Contains("no attested agent that is not banned", Refusal(Listener), StringComparison.Ordinal);
        await AppendAsync(new Change { AgentDeleted = Agent });
        Assert.Contains("no attested agent that is not banned", Refusal(Listener), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_workload_below_an_alias_that_another_node_has()
    {
        await AppendAsync(Attested(Agent), Entry("alias", "/nodes/other", "spiffe://example.org/spire/server", "spiffe_id:spiffe://example.org/spire/agent/join_token/2"),
            Entry("e", "/listener", "spiffe://example.org/nodes/other"));
        Assert.Contains("vouch", Refusal(Listener), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_circle_of_entries_that_hangs_on_no_agent()
    {
        await AppendAsync(Attested(Agent), Entry("a", "/listener", "spiffe://example.org/b"), Entry("b", "/b", "spiffe://example.org/listener"));
        Assert.Contains("vouch", Refusal(Listener), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_entry_that_expires_bounds_the_session_and_then_refuses()
    {
        var end = DateTimeOffset.FromUnixTimeSeconds(_time.GetUtcNow().ToUnixTimeSeconds() + 60);
        await AppendAsync(Attested(Agent), Entry("e", "/listener", Agent, expiresAt: end.ToUnixTimeSeconds()));
        Assert.Equal(new LoginStanding.Workload(end), Standing(Listener));
        _time.Advance(TimeSpan.FromSeconds(61));
        Assert.Contains("has expired", Refusal(Listener), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_component_has_standing_only_while_an_agent_reports_it()
    {
        await AppendAsync(Attested(Agent), Entry("g", "/components/greeter", "spiffe://example.org/hosts/local", "wasm:name:greeter"),
            Entry("also", "/components/greeter", Agent));
        Assert.Contains("no agent reports an admission", Refusal(Greeter), StringComparison.Ordinal);

        using var session = _live.Open(SpiffeId.Parse(Agent));
        var host = SpiffeId.Parse("spiffe://example.org/hosts/local");
        session.Replace([new ReportedAdmission("a1", Greeter, host, Digest, "g", 1)]);
        Assert.Equal(host, Assert.IsType<LoginStanding.AdmittedComponent>(Standing(Greeter)).Host);

        session.Replace([]);
        Assert.Contains("no agent reports an admission", Refusal(Greeter), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_component_is_not_taken_for_another_of_its_identity()
    {
        const string OtherDigest = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
        await AppendAsync(Attested(Agent), Entry("g", "/components/greeter", "spiffe://example.org/hosts/local", "wasm:name:greeter"));
        await AppendAsync(new Change
        {
            PolicySet = new Identity.Ledger.V1.Policy
            {
                Name = "nats",
                Text = $$"""
                    kind: CapabilityPolicy
                    name: nats
                    rules:
                      - { name: all, effect: permit, subjects: [{ spiffeId: {{Greeter}} }], capabilities: [{ natsPublish: greetings.> }] }
                      - { name: good, effect: permit, subjects: [{ spiffeId: {{Greeter}}, digest: "{{Digest}}" }], capabilities: [{ natsPublish: payments.> }] }
                      - { name: bad, effect: forbid, subjects: [{ digest: "{{OtherDigest}}" }], capabilities: [{ natsPublish: greetings.secret }] }
                    """,
            },
        });
        using var session = _live.Open(SpiffeId.Parse(Agent));
        var host = SpiffeId.Parse("spiffe://example.org/hosts/local");
        ReportedAdmission good = new("a1", Greeter, host, Digest, "g", 1), bad = new("a2", Greeter, host, OtherDigest, "g", 1);

        Assert.False(_backend.Facts.IsAdmitted(Greeter, "a1"));
        session.Replace([good]);
        Assert.True(_backend.Facts.IsAdmitted(Greeter, "a1"));
        Assert.False(_backend.Facts.IsAdmitted(Greeter, "a2"));
        Assert.Equal("greetings.> payments.>; deny ", Publish());

        // Who logs in may be either: what is for the good one alone is not given, and what is kept from the bad one is kept from both.
        session.Replace([good, bad]);
        Assert.Equal("greetings.>; deny greetings.secret", Publish());
        session.Replace([bad, good]);
        Assert.Equal("greetings.>; deny greetings.secret", Publish());

        string Publish()
        {
            var side = Assert.IsType<LoginGrant.Allowed>(LoginGrant.For(Greeter, _backend.Facts, _time.GetUtcNow())).Publish;
            return $"{string.Join(' ', side.Allow)}; deny {string.Join(' ', side.Deny)}";
        }
    }

    [Fact]
    public async Task Tells_of_changes_of_policy_entries_and_bans_and_of_nothing_else()
    {
        await AppendAsync(Attested(Agent));
        await using var facts = _backend.WatchFactsAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await facts.MoveNextAsync());

        await TellsAsync(new Change { PolicySet = new Identity.Ledger.V1.Policy { Name = "nats", Text = CalloutWorld.Rules } });
        await TellsAsync(Entry("e", "/listener", Agent));

        // A renewal and a new agent take nothing from anybody: only the ban after them is told.
        var next = facts.MoveNextAsync().AsTask();
        var renewed = Attested(Agent);
        renewed.AgentSet.Serial = "02";
        await AppendAsync(renewed);
        await AppendAsync(Attested("spiffe://example.org/spire/agent/join_token/2"));
        Assert.False(next.IsCompleted);
        await AppendAsync(Attested(Agent, banned: true));
        Assert.True(await next.WaitAsync(Deadline, Cancellation));
        Assert.IsType<LoginStanding.Refused>(facts.Current.StandingOf(Listener));

        async Task TellsAsync(Change change)
        {
            var told = facts.MoveNextAsync().AsTask();
            await AppendAsync(change);
            Assert.True(await told.WaitAsync(Deadline, Cancellation));
        }
    }

    [Fact]
    public async Task Its_own_token_is_recorded_and_verifies()
    {
        var own = SpiffeId.Parse("spiffe://example.org/identityd");
        var token = await _backend.MintOwnTokenAsync(own, "spiffe://example.org/nats", Cancellation);
        var verified = JwtSvidVerifier.Verify(token, "spiffe://example.org/nats", _backend.Facts.Bundles, _time.GetUtcNow());
        Assert.Equal(own, Assert.IsType<JwtSvidVerification.Verified>(verified).Svid.Id);
        Assert.Equal("server", Assert.Single(_ledger.ListIssuances(10)).Requester);
    }

    [Fact]
    public async Task A_login_is_recorded_with_the_revision_it_was_judged_by()
    {
        await AppendAsync(Attested(Agent));
        await _backend.RecordIssuanceAsync(new Identity.Ledger.V1.Issuance { SpiffeId = Listener.ToString(), SerialOrJti = "01" }, Cancellation);
        Assert.Equal(_ledger.State.Revision, Assert.Single(_ledger.ListIssuances(10)).Revision);
    }

    [Fact]
    public async Task What_rules_in_mode_shadow_would_turn_is_counted_login_by_login()
    {
        const string rules = """
            kind: CapabilityPolicy
            name: nats
            rules:
              - { name: tried, effect: forbid, mode: shadow, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ natsPublish: greetings.hello }] }
              - { name: enforced, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ natsPublish: greetings.> }] }
            """;
        await AppendAsync(new Change { PolicySet = new Identity.Ledger.V1.Policy { Name = "nats", Text = rules } });
        foreach (var rule in (string[])["nats/tried", "nats/tried", "nats/enforced", "nats/unknown"])
        {
            _backend.Record(new Identity.V1.Decision
            {
                Kind = Identity.V1.DecisionKind.NatsLogin,
                Allowed = true,
                Subject = Listener.ToString(),
                Shadow = { new Identity.V1.ShadowOutcome { Rule = rule, Capability = "natsPublish greetings.hello" } },
            });
        }

        var count = Assert.Single(_shadows.List().Counts);
        Assert.Equal(("nats/tried", 2ul, 0ul), (count.Rule, count.WouldDeny, count.WouldAllow));
        Assert.StartsWith("d-", count.Example, StringComparison.Ordinal);
    }

    [Fact]
    public void Logins_of_one_identity_push_nobody_elses_decisions_out_and_each_is_answered()
    {
        var kept = Enumerable.Range(0, NatsLoginBackend.DecisionsAtOnce).Select(_ => Login(Listener)).ToList();
        var oneTooMany = Login(Listener);
        var anothers = Login(Greeter);

        Assert.All(kept, id => Assert.NotNull(_decisions.TryGet(id)));
        Assert.True(DecisionId.IsWellFormed(oneTooMany));
        Assert.Null(_decisions.TryGet(oneTooMany));
        Assert.NotNull(_decisions.TryGet(anothers));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull(_decisions.TryGet(Login(Listener)));

        string Login(SpiffeId id) => _backend.Record(new Identity.V1.Decision { Kind = Identity.V1.DecisionKind.NatsLogin, Subject = id.ToString(), Summary = "refused" });
    }

    public async ValueTask InitializeAsync()
    {
        _ledger = await ControlPlaneLedger.OpenAsync(_folder.At("data"), _time, NullLogger<ControlPlaneLedger>.Instance, Cancellation);
        var authority = await SigningAuthority.OpenAsync(_ledger, new AuthorityKeyFolder(_folder.At("data/keys"), SecretFiles.Unsealed), TrustDomain, _time, Cancellation);
        _live = new LiveAdmissions(_time);
        _backend = new NatsLoginBackend(_ledger, authority, _live, _decisions = new DecisionLog(_ledger, TrustDomain), _shadows, _time);
    }

    public async ValueTask DisposeAsync()
    {
        await _ledger.DisposeAsync();
        _folder.Dispose();
    }

    private LoginStanding Standing(SpiffeId id) => _backend.Facts.StandingOf(id);

    private string Refusal(SpiffeId id) => Assert.IsType<LoginStanding.Refused>(Standing(id)).Reason;

    private async Task AppendAsync(params Change[] changes)
    {
        var transaction = new Transaction { At = _time.GetUtcNow().ToTimestamp(), Author = "test", Changes = { changes } };
        Assert.IsType<Append.Committed>(await _ledger.AppendAsync(transaction, null, Cancellation));
    }

    private static Change Attested(string agent, bool banned = false) => new()
    {
        AgentSet = new AgentRecord { SpiffeId = agent, AttestationType = "join_token", Serial = "01", Banned = banned },
    };

    private static Change Entry(string id, string path, string parent, string selector = "unix:uid:1000", long expiresAt = 0)
    {
        var colon = selector.IndexOf(':', StringComparison.Ordinal);
        var above = SpiffeId.Parse(parent);
        return new Change
        {
            EntrySet = new Entry
            {
                Id = id,
                SpiffeId = new SPIFFEID { TrustDomain = "example.org", Path = path },
                ParentId = new SPIFFEID { TrustDomain = "example.org", Path = above.Path },
                Selectors = { new Selector { Type = selector[..colon], Value = selector[(colon + 1)..] } },
                ExpiresAt = expiresAt,
            },
        };
    }
}
