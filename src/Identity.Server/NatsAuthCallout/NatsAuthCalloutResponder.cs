using System.Security.Cryptography;
using Identity.Policy;
using Identity.Server.Registration;
using NATS.NKeys;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// The deed of this room, without its sockets: <see cref="Judge"/> decides about one request of a nats-server,
/// <see cref="Admit"/> and <see cref="Refuse"/> write the sealed answer.
/// </summary>
internal sealed class NatsAuthCalloutResponder(NatsCalloutKeys keys, TrustDomain trustDomain, TimeSpan maxSession)
{
    public const string ApplicationAccount = "APP";
    public const string SystemAccount = "SYS";

    /// <summary>A login with the longest token and a chain of certificates has 20 KB.</summary>
    public const int MaxRequestBytes = NatsJwt.MaxTokenBytes + CurveKeyPair.Overhead;

    // nats-server takes no longer CONNECT line (max_control_line), so no longer token is honest.
    private const int MaxTokenLength = 4096;

    public string Audience { get; } = NatsAudience.Of(trustDomain);

    /// <summary>This server's own identity on NATS: the only one that is let into the system account.</summary>
    public SpiffeId OwnId { get; } = ReservedPaths.Identityd(trustDomain);

    /// <param name="serverXkey">The header that names the sender's curve key.</param>
    /// <param name="jitter">From 0 to 1: how much of a tenth of the session to take off its end, so that reconnects spread.</param>
    public CalloutJudgement Judge(ReadOnlySpan<byte> body, string? serverXkey, LoginFacts facts, DateTimeOffset now, double jitter)
    {
        // 1. Is it a nats-server that asks, and does it still listen?
        if (body.Length > MaxRequestBytes) return new CalloutJudgement.Ignored($"it has {body.Length} bytes; at most {MaxRequestBytes} are read");
        if (serverXkey is null) return new CalloutJudgement.Ignored("it is not sealed");
        if (!keys.Curve.TryOpen(body, serverXkey, out var opened, out var problem)) return new CalloutJudgement.Ignored(problem);
        if (!NatsJwt.TryVerify(opened, out var jwt, out problem)) return new CalloutJudgement.Ignored(problem);
        using (jwt)
        {
            if (!NatsAuthorizationRequest.TryRead(jwt, keys.Issuer.GetPublicKey(), out var request, out problem))
                return new CalloutJudgement.Ignored(problem);
            if (request.ServerXkey != serverXkey) return new CalloutJudgement.Ignored("its curve key is not the one it was sealed with");
            return request.ExpiresAt <= now
                ? new CalloutJudgement.Ignored("nobody waits for the answer any more")
                : JudgeLogin(request, facts, now, jitter);
        }
    }

    public byte[] Admit(CalloutJudgement.Admitted login) =>
        Seal(login.Request, CalloutClaims.Response(keys, login.Request, NatsJwt.Sign(keys.Issuer, CalloutClaims.User(keys, login)), error: null, login.IssuedAt));

    /// <param name="decisionId">All that leaves this process; nats-server writes it to its log, the client sees nothing of it.</param>
    public byte[] Refuse(CalloutJudgement.Refused refused, string decisionId, DateTimeOffset now) =>
        Seal(refused.Request, CalloutClaims.Response(keys, refused.Request, userJwt: null, $"refused; ask for decision {decisionId}", now));

    private CalloutJudgement JudgeLogin(NatsAuthorizationRequest request, LoginFacts facts, DateTimeOffset now, double jitter)
    {
        // 2. Is it a connection of a kind on which a bearer token may travel? nats-server checks none of this for callout users.
        if (request.ConnectionKind != "Client" || request.ConnectionType is not ("nats" or "websocket"))
            return Refused(LoginRefusal.ConnectionKind, "only NATS clients, also over WebSocket, log in with an SVID; leaf nodes and MQTT do not");
        if (!request.HasTls) return Refused(LoginRefusal.NoTls, "the connection has no TLS, so its token may have been read on the way");
        if (request.Token is not { } token) return Refused(LoginRefusal.NoToken, $"no token came with the login; expected a JWT-SVID for {Audience} as the NATS token");
        if (token.Length > MaxTokenLength) return Refused(LoginRefusal.TokenRefused, $"the token has {token.Length} characters; at most {MaxTokenLength} are read");

        // 3. Who is it?
        var verification = JwtSvidVerifier.Verify(token, Audience, facts.Bundles, now);
        if (verification is not JwtSvidVerification.Verified { Svid: var svid })
            return Refused(LoginRefusal.TokenRefused, verification is JwtSvidVerification.Refused { Reason: var reason } ? reason : "the token was not verified");

        // 4. What may it do? Our own identity needs two requests of the system account, whatever policy says.
        if (svid.Id == OwnId)
            return Session(request, svid, SystemAccount, SystemPublish, SubjectRights.Only($"{NatsPermissions.InboxPrefixOf(OwnId)}.>"), null, now, jitter);

        // The live admissions of an identity say what may be known of it. One that is not reported yet is none of them, and must not be
        // taken for another: it waits until it is.
        // Asked once: between two questions another admission could be reported, and this login would be taken for that.
        var standing = facts.StandingOf(svid.Id);
        if (standing is LoginStanding.AdmittedComponent && !NamesAdmission(svid, facts))
            return Refused(LoginRefusal.Standing, $"{svid.Id} is a component, and its token names no admission of it that an agent reports; log in again with a new token of the agent", svid.Id);

        facts = facts with { StandingOf = _ => standing };
        CalloutJudgement judgement = LoginGrant.For(svid.Id, facts, now) switch
        {
            LoginGrant.Allowed grant => Session(
                request, svid, ApplicationAccount, SubjectRights.From(grant.Publish), SubjectRights.From(grant.SubscribeOn(request.Server)), grant, now, jitter),
            LoginGrant.Refused refused => Refused(refused.Cause, refused.Reason, svid.Id, refused.Explanation),
            _ => Refused(LoginRefusal.Unspecified, "no answer", svid.Id),
        };
        return judgement with { Notes = LoginGrant.NotesFor(svid.Id, facts, now) };

        CalloutJudgement.Refused Refused(LoginRefusal cause, string reason, SpiffeId? id = null, Explanation? explanation = null) =>
            new(request, cause, reason, id, explanation);
    }

    private bool NamesAdmission(JwtSvid svid, LoginFacts facts) =>
        svid.Audience.Any(audience => NatsAudience.TryReadAdmission(audience, trustDomain, out var admission) && facts.IsAdmitted(svid.Id, admission));

    // 5. Until when? Never beyond the SVID that was shown, the grant, or what we allow a session.
    private CalloutJudgement Session(
        NatsAuthorizationRequest request, JwtSvid svid, string account, SubjectRights publish, SubjectRights subscribe,
        LoginGrant.Allowed? grant, DateTimeOffset now, double jitter)
    {
        var end = now + maxSession;
        if (svid.ExpiresAt < end) end = svid.ExpiresAt;
        if (grant?.Until is { } until && until < end) end = until;
        end -= (end - now) * (Math.Clamp(jitter, 0, 1) / 10);
        var expiresAt = DateTimeOffset.FromUnixTimeSeconds(end.ToUnixTimeSeconds());
        return expiresAt <= now
            ? new CalloutJudgement.Refused(request, LoginRefusal.TooLate, $"the token or the grant of {svid.Id} ends within a second", svid.Id)
            : new CalloutJudgement.Admitted(
                request, svid.Id, account, publish, subscribe, RandomNumberGenerator.GetHexString(32, lowercase: true), now, expiresAt, grant);
    }

    // Find connections by user name on every server; end one of them on one server. Nothing else.
    private static SubjectRights SystemPublish { get; } = SubjectRights.Only("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.KICK");

    private byte[] Seal(NatsAuthorizationRequest request, ReadOnlySpan<byte> response) => keys.Curve.Seal(response, request.ServerXkey);
}
