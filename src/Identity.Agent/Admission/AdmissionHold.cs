using System.Diagnostics;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Agent.ControlPlane;
using Identity.Agent.Decisions;

namespace Identity.Agent.Admission;

/// <summary>One open Admit call: keeps its answer true. Each view is decided anew; the host hears of it only when the answer changes.</summary>
internal sealed class AdmissionHold(
    UploadedComponent component,
    IServerStreamWriter<V1.AdmitResponse> responses,
    AdmissionRegister register,
    DecisionLog decisions,
    TimeProvider time) : IDisposable
{
    // A host that does not read its answers must not keep an admission by it: while one waits to be sent, nothing is decided anew.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // After it more signatures are tried for a host that had its share.
    private static readonly TimeSpan SignersLater = TimeSpan.FromSeconds(5);

    private LiveAdmission? _live;
    private AdmissionAnswer? _said;
    private V1.Decision? _decision;
    private DateTimeOffset _saidAt;

    /// <summary>When to decide again though nothing was pushed: the lease is half over, or over.</summary>
    public DateTimeOffset NextLook { get; private set; } = DateTimeOffset.MaxValue;

    public async Task DecideAsync(ControlPlaneView view, ActivityContext cause, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var answer = AdmissionDecider.Decide(view, component, now);
        switch (_said, answer)
        {
            case (AdmissionAnswer.Yes before, AdmissionAnswer.Yes yes) when yes.GrantsTheSameAs(before) && _live is not null:
                if (IsWorthExtending(before, yes, now)) await SayAdmittedAsync(yes, view, cause, cancellation);
                break;
            case (AdmissionAnswer.Yes, AdmissionAnswer.Yes yes):
                await EndAsync("what it is granted has changed; it is admitted anew", null, cause, cancellation);
                await AdmitAsync(yes, view, cause, cancellation);
                break;
            case (AdmissionAnswer.Yes, AdmissionAnswer.No no):
                await EndAsync(no.Refusal.Summary, decisions.Record(no.Refusal, component.Host), cause, cancellation);
                _said = no;
                break;
            case (_, AdmissionAnswer.Yes yes):
                await AdmitAsync(yes, view, cause, cancellation);
                break;
            case (AdmissionAnswer.No before, AdmissionAnswer.No no) when no.SaysTheSameAs(before):
                break;
            case (_, AdmissionAnswer.No no):
                await SayDeniedAsync(no, cause, cancellation);
                break;
        }

        NextLook = _said is AdmissionAnswer.Yes said ? _saidAt + ((said.ExpiresAt - _saidAt) / 2) : DateTimeOffset.MaxValue;
        if (NextLook <= now && _said is AdmissionAnswer.Yes last) NextLook = last.ExpiresAt;
        // Nothing that moves tells of it.
        if (_said is AdmissionAnswer.No && component.Signers.IsBeyondShare) NextLook = now + SignersLater;
    }

    /// <summary>The host has let go, or the agent stops: whatever was admitted is over.</summary>
    public void Dispose()
    {
        if (_live is null) return;
        register.End(_live, "the host's call ended");
        _live.Dispose();
        _live = null;
    }

    // The lease moves only when that gains something, so that a busy control plane does not wake every host at each change.
    private bool IsWorthExtending(AdmissionAnswer.Yes before, AdmissionAnswer.Yes now, DateTimeOffset time) =>
        now.ExpiresAt < before.ExpiresAt || (time - _saidAt) * 3 >= before.ExpiresAt - _saidAt && now.ExpiresAt > before.ExpiresAt;

    private Task AdmitAsync(AdmissionAnswer.Yes yes, ControlPlaneView view, ActivityContext cause, CancellationToken cancellation)
    {
        _decision = decisions.Record(DecisionText.Admitted(view, component, yes), component.Host);
        // Registered, and on its way to the server, before the host can act on it.
        _live = register.Admit(component, yes.Entry, view.PolicyRevision);
        return SayAdmittedAsync(yes, view, cause, cancellation);
    }

    private async Task SayAdmittedAsync(AdmissionAnswer.Yes yes, ControlPlaneView view, ActivityContext cause, CancellationToken cancellation)
    {
        (_said, _saidAt) = (yes, time.GetUtcNow());
        await SayAsync("admitted", new V1.AdmitResponse { Admitted = DecisionText.Message(_live!, component, yes, _decision!) }, cause, cancellation);
    }

    private async Task EndAsync(string reason, V1.Decision? decision, ActivityContext cause, CancellationToken cancellation)
    {
        // First nothing more is given out under it, then the host is told.
        register.End(_live!, reason);
        _live!.Dispose();
        _live = null;
        await SayAsync("ended", new V1.AdmitResponse { Ended = new V1.Ended { Reason = reason, Decision = decision } }, cause, cancellation);
    }

    private Task SayDeniedAsync(AdmissionAnswer.No no, ActivityContext cause, CancellationToken cancellation)
    {
        _said = no;
        return SayAsync("denied", new V1.AdmitResponse { Denied = decisions.Record(no.Refusal, component.Host) }, cause, cancellation);
    }

    private async Task SayAsync(string answer, V1.AdmitResponse response, ActivityContext cause, CancellationToken cancellation)
    {
        Telemetry.Admissions.Add(1, new KeyValuePair<string, object?>("answer", answer));
        using var activity = Telemetry.Source.StartActivity($"admission {answer}", ActivityKind.Producer, cause);
        activity?.SetTag("identity.component.digest", component.Digest.Text);
        activity?.SetTag("identity.host", component.Host.ToString());
        response.Traceparent = activity?.Id ?? Traceparents.Write(cause);
        try
        {
            await responses.WriteAsync(response, cancellation).WaitAsync(Patience, time, cancellation);
        }
        catch (TimeoutException)
        {
            throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"the host did not read an answer within {Patience.TotalSeconds:0} s; the admission is over"));
        }
    }
}
