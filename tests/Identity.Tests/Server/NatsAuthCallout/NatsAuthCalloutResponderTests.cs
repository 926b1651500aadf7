using System.Text.Json;
using Identity.Policy;
using Identity.Server.NatsAuthCallout;
using NATS.NKeys;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

public sealed class NatsAuthCalloutResponderTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly CalloutWorld _world = new(Now);
    private readonly FakeNatsServer _server = new();

    [Fact]
    public void Admits_a_workload_to_what_policy_grants_and_to_nothing_else()
    {
        var login = Assert.IsType<CalloutJudgement.Admitted>(Judge(_world.Token(CalloutWorld.Subscriber, Now)));
        using var response = _server.Open(_world, _world.Responder.Admit(login));
        Assert.Equal(_world.Keys.Issuer.GetPublicKey(), response.Issuer);
        Assert.Equal(_server.Key.GetPublicKey(), response.Claims.GetProperty("aud").GetString());
        Assert.Equal(_server.User.GetPublicKey(), response.Claims.GetProperty("sub").GetString());
        Assert.Equal("authorization_response", response.Claims.GetProperty("nats").GetProperty("type").GetString());

        Assert.True(NatsJwt.TryVerify(System.Text.Encoding.ASCII.GetBytes(response.Claims.GetProperty("nats").GetProperty("jwt").GetString()!), out var user, out _));
        using (user)
        {
            Assert.Equal("APP", user.Claims.GetProperty("aud").GetString());
            Assert.Equal(CalloutWorld.Subscriber.ToString(), user.Claims.GetProperty("name").GetString());
            Assert.Equal(_server.User.GetPublicKey(), user.Claims.GetProperty("sub").GetString());
            Assert.Equal(Now.AddMinutes(5).ToUnixTimeSeconds(), user.Claims.GetProperty("exp").GetInt64());
            var nats = user.Claims.GetProperty("nats");
            Assert.Equal(["greetings.>"], Subjects(nats, "pub", "allow"));
            Assert.Contains("greetings.>", Subjects(nats, "sub", "allow"));
            Assert.Equal(2, nats.GetProperty("version").GetInt32());
        }
    }

    [Fact]
    public void Every_side_of_an_answer_is_explicit()
    {
        Assert.Equal([">"], SubjectRights.Only().Deny);
        Assert.Equal([">"], SubjectRights.From(Identity.Policy.NatsSide.Nothing).Deny);
        Assert.Empty(SubjectRights.From(Identity.Policy.NatsSide.Nothing).Allow);
    }

    [Fact]
    public void Admits_an_admitted_component_and_no_other()
    {
        var digest = Identity.Policy.ComponentDigest.Of("greeter"u8);
        var host = SpiffeId.Parse("spiffe://example.org/hosts/local");
        _world.Standings[CalloutWorld.Greeter] = new LoginStanding.Refused("it is a component without a live admission");
        Assert.Equal(LoginRefusal.Standing, Refusal(_world.Token(CalloutWorld.Greeter, Now)).Cause);

        _world.Standings[CalloutWorld.Greeter] = new LoginStanding.AdmittedComponent(digest, host);
        Assert.IsType<CalloutJudgement.Admitted>(Judge(_world.Token(CalloutWorld.Greeter, Now)));
    }

    [Theory]
    [InlineData()]
    [InlineData("spiffe://example.org/nats/admission/a-2")]
    [InlineData("spiffe://example.org/nats/admission/")]
    [InlineData("spiffe://example.org/nats/admission/a-1/more")]
    [InlineData("spiffe://example.com/nats/admission/a-1")]
    [InlineData("a-1")]
    public void A_component_whose_admission_is_not_reported_is_not_taken_for_one_that_is(params string[] naming)
    {
        _world.Standings[CalloutWorld.Greeter] = new LoginStanding.AdmittedComponent(Identity.Policy.ComponentDigest.Of("greeter"u8), SpiffeId.Parse("spiffe://example.org/hosts/local"));
        var refused = Refusal(_world.Token(CalloutWorld.Greeter, [_world.Responder.Audience, .. naming], Now));
        Assert.Equal(LoginRefusal.Standing, refused.Cause);
        Assert.Contains("names no admission", refused.Reason, StringComparison.Ordinal);
        Assert.Equal(CalloutWorld.Greeter, refused.Id);
    }

    [Fact]
    public void An_admission_of_another_component_is_none()
    {
        _world.Standings[CalloutWorld.Subscriber] = new LoginStanding.AdmittedComponent(Identity.Policy.ComponentDigest.Of("greeter"u8), SpiffeId.Parse("spiffe://example.org/hosts/local"));
        Assert.Equal(LoginRefusal.Standing, Refusal(_world.Token(CalloutWorld.Subscriber, [_world.Responder.Audience, "spiffe://example.org/nats/admission/a-1"], Now)).Cause);
    }

    [Fact]
    public void Lets_its_own_identity_into_the_system_account_to_find_and_end_connections_only()
    {
        var login = Assert.IsType<CalloutJudgement.Admitted>(Judge(_world.Token(_world.Responder.OwnId, Now)));
        Assert.Equal("SYS", login.Account);
        Assert.Equal(["$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.KICK"], login.Publish.Allow);
        Assert.All(login.Subscribe.Allow, subject => Assert.StartsWith("_INBOX.", subject, StringComparison.Ordinal));
        Assert.Equal("APP", Assert.IsType<CalloutJudgement.Admitted>(Judge(_world.Token(CalloutWorld.Subscriber, Now))).Account);
    }

    [Fact]
    public void Takes_the_token_from_the_password_when_there_is_no_token()
    {
        var token = _world.Token(CalloutWorld.Subscriber, Now);
        var claims = _server.Request(_world, token, Now, c => c.Replace("\"auth_token\"", "\"user\":\"x\",\"pass\"", StringComparison.Ordinal));
        Assert.IsType<CalloutJudgement.Admitted>(Judge(claims: claims));
    }

    [Fact]
    public void No_session_outlasts_its_token_and_jitter_only_shortens_it()
    {
        var token = _world.Token(CalloutWorld.Subscriber, _world.Responder.Audience, Now, TimeSpan.FromMinutes(10));
        var whole = Assert.IsType<CalloutJudgement.Admitted>(Judge(token));
        var body = _server.Sealed(_world, _server.Request(_world, token, Now));
        var shortest = Assert.IsType<CalloutJudgement.Admitted>(_world.Responder.Judge(body, _server.Curve.GetPublicKey(), _world.Facts, Now, jitter: 1));
        Assert.Equal(Now.AddMinutes(10), whole.ExpiresAt);
        Assert.Equal(Now.AddMinutes(9), shortest.ExpiresAt);
    }

    public static TheoryData<string, string, string> RefusedLogins => new()
    {
        { "\"kind\":\"Client\"", "\"kind\":\"Leafnode\"", nameof(LoginRefusal.ConnectionKind) },
        { "\"type\":\"nats\"", "\"type\":\"mqtt\"", nameof(LoginRefusal.ConnectionKind) },
        { "\"type\":\"nats\"", "\"x\":0", nameof(LoginRefusal.ConnectionKind) },
        { "\"client_tls\":{\"version\":\"1.3\"", "\"client_tls\":{\"x\":\"1.3\"", nameof(LoginRefusal.NoTls) },
        { "\"client_tls\"", "\"other_tls\"", nameof(LoginRefusal.NoTls) },
        { "\"auth_token\"", "\"jwt\"", nameof(LoginRefusal.NoToken) },
        { "\"auth_token\"", "\"user\"", nameof(LoginRefusal.NoToken) },
    };

    [Theory]
    [MemberData(nameof(RefusedLogins))]
    public void Refuses_a_login_that_is_not_a_client_with_a_token_over_TLS(string find, string replacement, string cause)
    {
        var claims = _server.Request(_world, _world.Token(CalloutWorld.Subscriber, Now), Now, c => c.Replace(find, replacement, StringComparison.Ordinal));
        Assert.Equal(cause, Assert.IsType<CalloutJudgement.Refused>(Judge(claims: claims)).Cause.ToString());
    }

    [Theory]
    [InlineData("spiffe://example.org/other")]
    [InlineData("nats")]
    [InlineData("spiffe://example.org/nats/")]
    public void Refuses_a_token_for_another_audience(string audience) =>
        Assert.Equal(LoginRefusal.TokenRefused, Refusal(_world.Token(CalloutWorld.Subscriber, audience, Now)).Cause);

    [Theory]
    [InlineData("")]
    [InlineData("garbage")]
    [InlineData("eyJhbGciOiJub25lIn0.e30.")]
    public void Refuses_what_is_no_token(string token) =>
        Assert.True(Refusal(token).Cause is LoginRefusal.TokenRefused or LoginRefusal.NoToken);

    [Fact]
    public void Refuses_an_expired_token_and_one_of_another_authority()
    {
        Assert.Equal(LoginRefusal.TokenRefused, Refusal(_world.Token(CalloutWorld.Subscriber, Now.AddMinutes(-30))).Cause);
        using var other = new CalloutWorld(Now);
        Assert.Equal(LoginRefusal.TokenRefused, Refusal(other.Token(CalloutWorld.Subscriber, Now)).Cause);
    }

    [Fact]
    public void Refuses_a_token_that_ends_within_the_leeway() =>
        Assert.Equal(LoginRefusal.TooLate, Refusal(_world.Token(CalloutWorld.Subscriber, _world.Responder.Audience, Now.AddSeconds(-61), TimeSpan.FromSeconds(60))).Cause);

    [Fact]
    public void Refuses_a_token_longer_than_a_CONNECT_line() => Assert.Equal(LoginRefusal.TokenRefused, Refusal(new string('a', 5000)).Cause);

    [Fact]
    public void Refuses_an_identity_that_policy_does_not_name()
    {
        var refused = Refusal(_world.Token(SpiffeId.Parse("spiffe://example.org/stranger"), Now));
        Assert.Equal(LoginRefusal.Policy, refused.Cause);
        Assert.NotNull(refused.Explanation);
    }

    [Fact]
    public void Why_names_the_smallest_grant_of_a_login_and_it_lets_it_in()
    {
        var stranger = SpiffeId.Parse("spiffe://example.org/stranger");
        var reason = Assert.Single(LoginDecision.Of(Refusal(_world.Token(stranger, Now)), 1, _world.Responder.OwnId, Now).Reasons);
        Assert.Contains("a login does not say which subjects it needs", reason.Explanation, StringComparison.Ordinal);
        Assert.Equal("nats/greetings", reason.Rule);

        _world.Policy = TestPolicy.Of(reason.SmallestGrant);
        var login = Assert.IsType<CalloutJudgement.Admitted>(Judge(_world.Token(stranger, Now)));
        Assert.Empty(login.Publish.Allow);
        Assert.Equal([$"{NatsPermissions.InboxPrefixOf(stranger)}.>", NatsPermissions.OwnSubjectOf(stranger).Text], login.Subscribe.Allow);
    }

    [Theory]
    [InlineData("signer: release@example.org", "signers, which were not told")]
    [InlineData("image: ghcr.io/acme/greeter:1", "image, which was not told")]
    public void Why_names_no_grant_where_the_nearest_rule_asks_what_was_not_told(string attribute, string expected)
    {
        _world.Standings[CalloutWorld.Greeter] = new LoginStanding.AdmittedComponent(ComponentDigest.Of("greeter"u8), SpiffeId.Parse("spiffe://example.org/hosts/local"), PrincipalAttributes.Signer | PrincipalAttributes.Image);
        _world.Policy = TestPolicy.Of($$"""
            kind: CapabilityPolicy
            name: nats
            rules: [{ name: signed, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://example.org/components, {{attribute}} }], capabilities: [{ natsPublish: greetings.> }] }]
            """);
        var reason = Assert.Single(LoginDecision.Of(Refusal(_world.Token(CalloutWorld.Greeter, Now)), 1, _world.Responder.OwnId, Now).Reasons);
        Assert.True(reason.Explanation.Contains(expected, StringComparison.Ordinal), reason.Explanation);
        Assert.Equal(("nats/signed", ""), (reason.Rule, reason.SmallestGrant));
    }

    [Fact]
    public void Why_names_the_rule_that_keeps_a_login_out_and_no_grant()
    {
        _world.Policy = TestPolicy.Of(CalloutWorld.Rules + """

              - { name: nobody, effect: forbid, subjects: [{ spiffeIdPrefix: spiffe://example.org }], capabilities: [{ natsPublish: ">" }, { natsSubscribe: ">" }] }
            """);
        var reasons = LoginDecision.Of(Refusal(_world.Token(CalloutWorld.Subscriber, Now)), 1, _world.Responder.OwnId, Now).Reasons;
        Assert.All(reasons, reason => Assert.Equal("", reason.SmallestGrant));
        Assert.Contains(reasons, reason => reason.Rule == "nats/nobody" && reason.Explanation.Contains("forbids", StringComparison.Ordinal));
    }

    [Fact]
    public void A_refusal_tells_the_server_a_decision_id_and_nothing_more()
    {
        var refused = Refusal(_world.Token(SpiffeId.Parse("spiffe://example.org/stranger"), Now));
        using var response = _server.Open(_world, _world.Responder.Refuse(refused, "d-x", Now));
        Assert.Equal("refused; ask for decision d-x", response.Claims.GetProperty("nats").GetProperty("error").GetString());
        Assert.False(response.Claims.GetProperty("nats").TryGetProperty("jwt", out _));
    }

    public static TheoryData<string, string> ForgedRequests => new()
    {
        { "nats-authorization-request", "nats-authorization-response" },
        { "\"type\":\"authorization_request\"", "\"type\":\"user\"" },
        { "\"version\":2}", "\"version\":1}" },
        { "\"user_nkey\":\"U", "\"user_nkey\":\"A" },
        { "\"exp\":", "\"e\":" },
        { "\"xkey\":\"X", "\"xkey\":\"Y" },
        { "\"id\":\"N", "\"id\":\"M" },
        { "\"sub\":\"A", "\"sub\":\"B" },
    };

    [Theory]
    [MemberData(nameof(ForgedRequests))]
    public void Does_not_answer_a_request_that_no_server_of_ours_would_send(string find, string replacement) =>
        Assert.IsType<CalloutJudgement.Ignored>(Judge(claims: _server.Request(_world, _world.Token(CalloutWorld.Subscriber, Now), Now, c => c.Replace(find, replacement, StringComparison.Ordinal))));

    [Fact]
    public void Does_not_answer_a_request_signed_by_another_key_than_the_server_it_names()
    {
        using var other = KeyPair.CreatePair(NKeyPrefix.Server);
        var body = _server.Sealed(_world, _server.Request(_world, _world.Token(CalloutWorld.Subscriber, Now), Now), signer: other);
        Assert.IsType<CalloutJudgement.Ignored>(_world.Responder.Judge(body, _server.Curve.GetPublicKey(), _world.Facts, Now, 0));
    }

    [Fact]
    public void Does_not_answer_a_request_signed_by_a_user_key_as_if_it_were_a_server()
    {
        using var user = KeyPair.CreatePair(NKeyPrefix.User);
        var claims = _server.Request(_world, _world.Token(CalloutWorld.Subscriber, Now), Now, c => c.Replace(_server.Key.GetPublicKey(), user.GetPublicKey(), StringComparison.Ordinal));
        var body = _server.Sealed(_world, claims, signer: user);
        Assert.IsType<CalloutJudgement.Ignored>(_world.Responder.Judge(body, _server.Curve.GetPublicKey(), _world.Facts, Now, 0));
    }

    [Fact]
    public void Does_not_answer_a_request_again_after_its_server_stopped_waiting()
    {
        var body = _server.Sealed(_world, _server.Request(_world, _world.Token(CalloutWorld.Subscriber, Now), Now));
        Assert.IsType<CalloutJudgement.Ignored>(_world.Responder.Judge(body, _server.Curve.GetPublicKey(), _world.Facts, Now.AddSeconds(2), 0));
    }

    [Fact]
    public void Does_not_answer_a_request_that_is_not_sealed_or_sealed_by_another()
    {
        var claims = System.Text.Encoding.UTF8.GetBytes(_server.Request(_world, _world.Token(CalloutWorld.Subscriber, Now), Now));
        var signed = NatsJwt.Sign(_server.Key, claims);
        using var other = CurveKeyPair.Create();
        var body = other.Seal(signed, _world.Keys.Curve.GetPublicKey());
        Assert.IsType<CalloutJudgement.Ignored>(_world.Responder.Judge(signed, null, _world.Facts, Now, 0));
        Assert.IsType<CalloutJudgement.Ignored>(_world.Responder.Judge(signed, _server.Curve.GetPublicKey(), _world.Facts, Now, 0));
        Assert.IsType<CalloutJudgement.Ignored>(_world.Responder.Judge(body, _server.Curve.GetPublicKey(), _world.Facts, Now, 0));
        Assert.IsType<CalloutJudgement.Ignored>(_world.Responder.Judge(body, other.GetPublicKey(), _world.Facts, Now, 0));
    }

    [Fact]
    public void Does_not_read_an_oversized_request() =>
        Assert.IsType<CalloutJudgement.Ignored>(_world.Responder.Judge(new byte[NatsAuthCalloutResponder.MaxRequestBytes + 1], _server.Curve.GetPublicKey(), _world.Facts, Now, 0));

    [Fact]
    public void Nothing_that_is_printed_holds_the_token()
    {
        var token = _world.Token(CalloutWorld.Subscriber, Now);
        Assert.DoesNotContain(token, Judge(token).ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("garbage-token", Judge("garbage-token").ToString(), StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _world.Dispose();
        _server.Dispose();
    }

    private CalloutJudgement Judge(string? token = null, string? claims = null) =>
        _world.Responder.Judge(_server.Sealed(_world, claims ?? _server.Request(_world, token, Now)), _server.Curve.GetPublicKey(), _world.Facts, Now, jitter: 0);

    private CalloutJudgement.Refused Refusal(string token) => Assert.IsType<CalloutJudgement.Refused>(Judge(token));

    private static IEnumerable<string?> Subjects(JsonElement nats, string side, string list) =>
        nats.GetProperty(side).GetProperty(list).EnumerateArray().Select(subject => subject.GetString());
}
