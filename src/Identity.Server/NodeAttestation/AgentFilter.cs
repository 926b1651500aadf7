using System.Globalization;
using Grpc.Core;
using Identity.Server.Registration;
using Spire.Api.Server.Agent.V1;
using Types = Spire.Api.Types;

namespace Identity.Server.NodeAttestation;

/// <summary>Which agents a list or a count is about. What is not asked for does not narrow.</summary>
internal sealed class AgentFilter
{
    private string _attestationType = "";
    private HashSet<string>? _selectors;
    private Types.SelectorMatch.Types.MatchBehavior _match;
    private bool? _banned;
    private bool? _canReattest;
    private DateTimeOffset? _expiresBefore;

    public static AgentFilter From(ListAgentsRequest.Types.Filter? wire) => wire is null
        ? new()
        : Build(wire.ByAttestationType, wire.BySelectorMatch, wire.ByBanned, wire.ByCanReattest, wire.ByExpiresBefore);

    public static AgentFilter From(CountAgentsRequest.Types.Filter? wire) => wire is null
        ? new()
        : Build(wire.ByAttestationType, wire.BySelectorMatch, wire.ByBanned, wire.ByCanReattest, wire.ByExpiresBefore);

    public bool Matches(AgentRecord agent) =>
        (_attestationType.Length == 0 || agent.AttestationType == _attestationType)
        && (_selectors is null || EntryFilter.Compares(_selectors, [.. agent.Selectors], _match))
        && (_banned is null || agent.Banned == _banned)
        && (_canReattest is null or false) // A join token is good once: nobody can re-attest.
        && (_expiresBefore is null || agent.SvidExpiresAt.ToDateTimeOffset() < _expiresBefore);

    private static AgentFilter Build(string attestationType, Types.SelectorMatch? selectors, bool? banned, bool? canReattest, string expiresBefore)
    {
        DateTimeOffset? before = null;
        if (expiresBefore.Length > 0)
        {
            // The form of SPIRE's CLI: 2026-01-02 15:04:05 -0700 -07, of which RFC 3339 is the part everybody knows.
            before = DateTimeOffset.TryParse(expiresBefore, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
                ? time
                : throw new RpcException(new Status(
                    StatusCode.InvalidArgument, $"by_expires_before is {Quote.From(expiresBefore)}; expected a time such as 2026-01-02T15:04:05Z"));
        }

        return new()
        {
            _attestationType = attestationType,
            _selectors = selectors is null ? null : [.. selectors.Selectors.Select(SelectorText.From)],
            _match = selectors?.Match ?? default,
            _banned = banned,
            _canReattest = canReattest,
            _expiresBefore = before,
        };
    }
}
