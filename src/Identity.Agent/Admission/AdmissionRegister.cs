using System.Collections.Concurrent;
using Google.Protobuf.WellKnownTypes;
using Identity.Agent.ControlPlane;
using Spiffe.Net;

namespace Identity.Agent.Admission;

/// <summary>The admissions that hold now. What is not in here has no identity.</summary>
internal sealed partial class AdmissionRegister(AgentReports reports, TimeProvider time, ILogger<AdmissionRegister> log)
{
    private readonly ConcurrentDictionary<string, LiveAdmission> _live = new(StringComparer.Ordinal);

    /// <summary>Null when there is none by that name, or it is another host's: a reference is worth nothing to whom it was not given.</summary>
    public LiveAdmission? Find(string id, SpiffeId host) => _live.TryGetValue(id, out var admission) && admission.Host == host ? admission : null;

    public LiveAdmission Admit(SpiffeId host, AuthorizedEntry entry, string digest, ulong policyRevision)
    {
        var admission = new LiveAdmission(Guid.CreateVersion7(time.GetUtcNow()).ToString("N"), host, entry);
        _live[admission.Id] = admission;
        reports.Admitted(new V1.LiveAdmission
        {
            AdmissionId = admission.Id,
            SpiffeId = entry.SpiffeId.ToString(),
            HostSpiffeId = host.ToString(),
            Digest = digest,
            EntryId = entry.Id,
            PolicyRevision = policyRevision,
            AdmittedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()),
        });
        Admitted(admission.Id, entry.SpiffeId, host);
        return admission;
    }

    public void End(LiveAdmission admission, string reason)
    {
        if (!_live.TryRemove(KeyValuePair.Create(admission.Id, admission))) return;
        admission.End();
        reports.Ended(admission.Id, reason);
        Ended(admission.Id, admission.Entry.SpiffeId, reason);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "admission {AdmissionId} of {SpiffeId} on {Host} begins")]
    private partial void Admitted(string admissionId, SpiffeId spiffeId, SpiffeId host);

    [LoggerMessage(Level = LogLevel.Information, Message = "admission {AdmissionId} of {SpiffeId} is over: {Reason}")]
    private partial void Ended(string admissionId, SpiffeId spiffeId, string reason);
}
