using System.Collections.Concurrent;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Identity.Agent.ControlPlane;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Agent.Admission;

/// <summary>The admissions that hold now. What is not in here has no identity.</summary>
internal sealed partial class AdmissionRegister(AgentReports reports, TimeProvider time, ILogger<AdmissionRegister> log)
{
    private const int MaxToldBytes = 32 << 10;

    private readonly ConcurrentDictionary<string, LiveAdmission> _live = new(StringComparer.Ordinal);

    /// <summary>Null when there is none by that name, or it is another host's: a reference is worth nothing to whom it was not given.</summary>
    public LiveAdmission? Find(string id, SpiffeId host) => _live.TryGetValue(id, out var admission) && admission.Host == host ? admission : null;

    public LiveAdmission Admit(UploadedComponent component, AuthorizedEntry entry, ulong policyRevision)
    {
        var host = component.Host;
        var admission = new LiveAdmission(Guid.CreateVersion7(time.GetUtcNow()).ToString("N"), host, entry, component.Digest, component.Signers);
        _live[admission.Id] = admission;
        var told = new V1.LiveAdmission
        {
            AdmissionId = admission.Id,
            SpiffeId = entry.SpiffeId.ToString(),
            HostSpiffeId = host.ToString(),
            Digest = component.Digest.Text,
            Name = component.Name,
            EntryId = entry.Id,
            PolicyRevision = policyRevision,
            AdmittedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()),
        };
        TellNeeds(told, component.Imports);
        TellSignatures(told, component.Signers.Signatures);
        reports.Admitted(told);
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

    // The server asks staged policy about them. What a hostile component makes too long is not told, rather than in part.
    private static void TellNeeds(V1.LiveAdmission told, ComponentImports component)
    {
        told.Imports.AddRange(component.ImportLines());
        told.Exports.AddRange(component.ExportLines());
        told.ImportsTold = told.CalculateSize() <= MaxToldBytes;
        if (told.ImportsTold) return;
        told.Imports.Clear();
        told.Exports.Clear();
    }

    // The server decides by them, too, with the keys of the policy it asks. What tells no signer stays untold.
    private static void TellSignatures(V1.LiveAdmission told, ComponentSignatures signatures)
    {
        if (signatures.Problem is not null) return;
        told.Signatures = new V1.ComponentSignatures { Hashes = ByteString.CopyFrom(signatures.Hashes) };
        told.Signatures.Signatures.AddRange(signatures.Signatures.Select(signature => ByteString.CopyFrom(signature)));
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "admission {AdmissionId} of {SpiffeId} on {Host} begins")]
    private partial void Admitted(string admissionId, SpiffeId spiffeId, SpiffeId host);

    [LoggerMessage(Level = LogLevel.Information, Message = "admission {AdmissionId} of {SpiffeId} is over: {Reason}")]
    private partial void Ended(string admissionId, SpiffeId spiffeId, string reason);
}
