using Grpc.Core;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Identity.V1;
using Spiffe.Net;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Hears what an agent says about itself. What is malformed ends the call; what is well formed but not the agent's to say is left out,
/// for an entry may be deleted while the report is on its way.
/// </summary>
internal sealed partial class AgentReports(
    ControlPlaneLedger ledger, DecisionLog decisions, ShadowCounts shadows, TrustDomain trustDomain, TimeProvider time, ILogger<AgentReports> logger)
{
    // Of one agent, over all its streams: more than an honest one decides; a flood would push the decisions of others out of the log.
    private const int DecisionsAtOnce = 6000;
    private static readonly TimeSpan EachDecision = TimeSpan.FromMinutes(1) / DecisionsAtOnce;

    // Of one agent, some 0.1 ms each: twenty seconds at once, then a twentieth of a processor. Ten thousand components and twenty keys that policy names are as many.
    private const int VerificationsAtOnce = 200_000;
    private const int MaxAgents = 100_000;
    private static readonly TimeSpan EachVerification = TimeSpan.FromMilliseconds(2);

    // Of one agent: a few lists of all it may run at once, then a whole list each ten seconds. Fewer than wait for whoever tries a staged change on them, so that no agent
    // makes another's be lost.
    private const int AdmissionsAtOnce = 3 * LiveAdmissions.MaxPerAgent;
    private static readonly TimeSpan EachAdmission = TimeSpan.FromMilliseconds(1);

    private const int WarningsAtOnce = 10;
    private static readonly TimeSpan EachWarning = TimeSpan.FromSeconds(6);

    private readonly TokenBuckets<SpiffeId> _admissions = new(time, AdmissionsAtOnce, EachAdmission, MaxAgents);

    private readonly TokenBuckets<SpiffeId> _warnings = new(time, WarningsAtOnce, EachWarning, MaxAgents);

    private readonly TokenBuckets<SpiffeId> _verifications = new(time, VerificationsAtOnce, EachVerification, MaxAgents);

    private readonly TokenBuckets<SpiffeId> _decisions = new(time, DecisionsAtOnce, EachDecision, MaxAgents);

    public async Task ReadAsync(IAsyncStreamReader<AgentReport> reports, AgentSession session, CancellationToken cancellation)
    {
        var list = new ReportedList(wire => Parse(wire, session.Agent));
        var entitled = new EntitledSubjects(ledger, session.Agent, time);
        while (await reports.MoveNext(cancellation))
        {
            var report = reports.Current;
            if (list.Unfinished > 0 && report.ReportCase != AgentReport.ReportOneofCase.Admissions) throw Invalid("between the parts of a list of admissions only its parts may come");
            switch (report.ReportCase)
            {
                case AgentReport.ReportOneofCase.Admissions:
                    // What a list holds counts when it is whole, or when another takes its place: whoever loses its stream midway, again and again, can still tell its list.
                    if (report.Admissions.Part == 0) RefuseTooMany(session.Agent, list.Unfinished);
                    if (list.TryFinish(report.Admissions, out var all, out var problem))
                    {
                        RefuseTooMany(session.Agent, all.Count);
                        session.Replace(Entitled(all, session.Agent));
                    }
                    else if (problem is not null)
                    {
                        throw Invalid(problem);
                    }

                    break;
                case AgentReport.ReportOneofCase.Admitted:
                    RefuseTooMany(session.Agent, 1);
                    Admit(Parse(report.Admitted, session.Agent), session);
                    break;
                case AgentReport.ReportOneofCase.Ended:
                    session.End(report.Ended.AdmissionId);
                    break;
                case AgentReport.ReportOneofCase.Decision:
                    if (!_decisions.TryTake(session.Agent, DecisionLog.WeightOf(report.Decision)) || !decisions.TryRecordReported(report.Decision, session.Agent, entitled.Contains(report.Decision.Subject)))
                        Warn(session.Agent, LogDecisionRefused);
                    else
                        shadows.RecordReported(report.Decision, ledger.State.Policy);
                    break;
                default:
                    throw Invalid("the report is empty; expected admissions, admitted, ended or decision");
            }
        }
    }

    /// <summary>Ends the admissions that the agent's entries no longer cover.</summary>
    public static void Recheck(AgentSession session, AgentView view)
    {
        var entries = view.Entries.ToLookup(entry => entry.SpiffeId.ToText());
        session.EndUnless(admission => entries[admission.SpiffeId.ToString()].Any(admission.IsEntitledBy));
    }

    private void Admit(ReportedAdmission admission, AgentSession session)
    {
        if (Entitled([admission], session.Agent).Count == 0) return;
        if (!session.TryAdd(admission))
        {
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"the agent reports more than {LiveAdmissions.MaxPerAgent} admissions"));
        }
    }

    private List<ReportedAdmission> Entitled(List<ReportedAdmission> admissions, SpiffeId agent)
    {
        if (admissions.Count == 0) return [];
        var entries = AuthorizedEntries.For(ledger.State, agent, time.GetUtcNow()).ToLookup(entry => entry.SpiffeId.ToText());
        var entitled = new List<ReportedAdmission>(admissions.Count);
        foreach (var admission in admissions)
        {
            if (entries[admission.SpiffeId.ToString()].Any(admission.IsEntitledBy)) entitled.Add(admission);
            else Warn(agent, agent => LogNotEntitled(agent, admission.SpiffeId, admission.Id));
        }

        return entitled;
    }

    private ReportedAdmission Parse(LiveAdmission wire, SpiffeId agent) =>
        ReportedAdmission.TryParse(wire, trustDomain, out var admission, out var problem, count => _verifications.TryTake(agent, count)) ? admission : throw Invalid(problem);

    private void RefuseTooMany(SpiffeId agent, int admissions)
    {
        if (admissions == 0 || _admissions.TryTake(agent, admissions)) return;
        Warn(agent, LogTooMany);
        throw new RpcException(new Status(StatusCode.ResourceExhausted, $"the agent reports admissions too often: at most {AdmissionsAtOnce} at once, and then one each {EachAdmission.TotalMilliseconds} ms"));
    }

    // Whoever floods us does not flood the log.
    private void Warn(SpiffeId agent, Action<SpiffeId> log)
    {
        if (_warnings.TryTake(agent)) log(agent);
    }

    private static RpcException Invalid(string problem) => new(new Status(StatusCode.InvalidArgument, problem));

    [LoggerMessage(Level = LogLevel.Warning, Message = "Agent {Agent} reported admission {Admission} of {Component}, for which it has no entry; not accepted.")]
    private partial void LogNotEntitled(SpiffeId agent, SpiffeId component, string admission);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Agent {Agent} reports admissions too often; its stream is ended.")]
    private partial void LogTooMany(SpiffeId agent);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Agent {Agent} reported a decision that is malformed, too large, known already or one too many; not kept.")]
    private partial void LogDecisionRefused(SpiffeId agent);
}
