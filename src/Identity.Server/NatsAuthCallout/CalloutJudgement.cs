using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>What is to become of one authorization request.</summary>
internal abstract record CalloutJudgement
{
    private CalloutJudgement() { }

    /// <summary>What rules in modes shadow and warn have to say; empty where policy was not asked.</summary>
    public NatsNotes Notes { get; init; } = NatsNotes.None;

    /// <summary>No answer: it is not a request of a nats-server we speak with, or nobody waits for the answer any more.</summary>
    public sealed record Ignored(string Reason) : CalloutJudgement;

    /// <param name="Id">Null while the token has not proven one.</param>
    /// <param name="Explanation">Set when policy refused.</param>
    public sealed record Refused(
        NatsAuthorizationRequest Request, LoginRefusal Cause, string Reason, SpiffeId? Id = null, Explanation? Explanation = null) : CalloutJudgement;

    /// <summary>All that the user JWT will say, so that the intent can be recorded before it is signed.</summary>
    /// <param name="Grant">What it rests on; null for our own login, which rests on nothing that changes.</param>
    public sealed record Admitted(
        NatsAuthorizationRequest Request,
        SpiffeId Id,
        string Account,
        SubjectRights Publish,
        SubjectRights Subscribe,
        string TokenId,
        DateTimeOffset IssuedAt,
        DateTimeOffset ExpiresAt,
        LoginGrant.Allowed? Grant) : CalloutJudgement;
}

/// <summary>The few causes a log line or a metric may name; the sentence goes with the decision.</summary>
internal enum LoginRefusal
{
    Unspecified = 0,
    ConnectionKind,
    NoTls,
    NoToken,
    TokenRefused,
    Standing,
    Policy,
    TooLate,
}
