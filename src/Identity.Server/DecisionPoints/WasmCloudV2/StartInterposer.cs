using System.Security.Cryptography;
using System.Threading.Channels;
using Identity.Server.Authority;
using NATS.Client.Core;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// Stands between the operator and the hosts of wasmCloud v2: a start is checked and then forwarded byte for byte, or answered in the
/// host's name; stop, status and heartbeat pass untouched, but for the status of what was refused. NATS accounts must leave no other way
/// to the hosts (docs/decision-points.md).
/// </summary>
internal sealed partial class StartInterposer(
    StartJudge judge,
    RefusedWorkloads refused,
    AllowedWorkloads workloads,
    WasmCloudOptions options,
    SigningAuthority authority,
    TimeProvider time,
    ILogger<StartInterposer> logger) : BackgroundService
{
    // Of the operator's own time-outs a little less, so that its host's late answer is not taken for one to another question.
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(58);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(28);
    private static readonly TimeSpan StatusTimeout = TimeSpan.FromSeconds(4.5);

    // A start waits for its host to pull an image; the others must not wait behind it.
    private const int StartWorkers = 128;
    private const int OtherWorkers = 64;

    /// <summary>Starts on their way to one host. More are not answered, and the operator tries them again: a host that hangs holds up no other.</summary>
    public const int MaxStartsOfOneHost = 16;

    /// <summary>As <see cref="MaxStartsOfOneHost"/>, of each other request.</summary>
    public const int MaxOthersOfOneHost = 8;

    // Each may have a megabyte, or as many as its nats-server takes. The operator sends anew what is not answered.
    private const int StartsWaiting = 256;

    private readonly HostBound _underWay = new();
    private readonly RecordingBound _busyLogged = new(1);

    // Whoever may publish on the prefix can be refused, or ask a host that is not there, as often as it likes.
    private readonly RecordingBound _refusalsLogged = new(60);
    private readonly RecordingBound _unansweredLogged = new(60);
    private readonly LatticeConnection _lattice = new(DoorName.WasmCloudInterposer, options, authority, time, logger);

    /// <summary>Why starts are not being let through right now; null while they are.</summary>
    public string? Problem => _lattice.Problem ?? workloads.Problem;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => _lattice.KeepAsync(ServeAsync, stoppingToken);

    private async Task ServeAsync(NatsConnection connection, CancellationToken stopping)
    {
        var gate = options.GatePrefix!;
        var few = new NatsSubOpts { ChannelOpts = new NatsSubChannelOpts { Capacity = StartsWaiting, FullMode = BoundedChannelFullMode.DropNewest } };
        await using var starts = await connection.SubscribeCoreAsync<byte[]>($"{gate}.*.workload.start", LatticeConnection.QueueGroup, opts: few, cancellationToken: stopping);
        await using var stops = await connection.SubscribeCoreAsync<byte[]>($"{gate}.*.workload.stop", LatticeConnection.QueueGroup, opts: few, cancellationToken: stopping);
        await using var statuses = await connection.SubscribeCoreAsync<byte[]>($"{gate}.*.workload.status", LatticeConnection.QueueGroup, opts: few, cancellationToken: stopping);
        await using var heartbeats = await connection.SubscribeCoreAsync<byte[]>($"{gate}.*.heartbeat", LatticeConnection.QueueGroup, opts: few, cancellationToken: stopping);
        await _lattice.ReadyAsync(connection, gate, stopping);
        await Task.WhenAll(
            Workers(connection, starts, StartWorkers, stopping)
                .Concat(Workers(connection, stops, OtherWorkers, stopping))
                .Concat(Workers(connection, statuses, OtherWorkers, stopping))
                .Concat(Workers(connection, heartbeats, OtherWorkers, stopping)));
    }

    private IEnumerable<Task> Workers(NatsConnection connection, INatsSub<byte[]> subscription, int count, CancellationToken stopping) =>
        Enumerable.Range(0, count).Select(_ => WorkAsync(connection, subscription, stopping));

    private async Task WorkAsync(NatsConnection connection, INatsSub<byte[]> subscription, CancellationToken stopping)
    {
        await foreach (var message in subscription.Msgs.ReadAllAsync(stopping))
        {
            try
            {
                // Without an inbox nobody waits, or our answer would be taken for something else.
                if (!ReplySubject.IsInbox(message.ReplyTo, options))
                {
                    CryptographicOperations.ZeroMemory(message.Data);
                    DecisionPointTelemetry.Count(DoorName.WasmCloudInterposer, DecisionOutcome.Unanswered);
                }
                else if (GateSubject.TryParse(message.Subject, options.GatePrefix!, out var subject)) await PassAsync(connection, message, subject, stopping);
            }
            catch (Exception e) when (e is not OperationCanceledException || !stopping.IsCancellationRequested)
            {
                // Without an answer the operator counts the start as not placed, and tries again.
                if (_unansweredLogged.HasRoom(time)) Unanswered(e.GetType().Name);
                DecisionPointTelemetry.Count(DoorName.WasmCloudInterposer, DecisionOutcome.Unanswered);
            }
        }
    }

    private async Task PassAsync(NatsConnection connection, NatsMsg<byte[]> message, GateSubject subject, CancellationToken stopping)
    {
        var body = message.Data ?? [];
        try
        {
            switch (subject.Verb)
            {
                case HostVerb.Start:
                    await StartAsync(connection, message, body, subject, stopping);
                    return;
                case HostVerb.Status when WorkloadIds.Peek(body) is { } id && refused.TryGet(id, out var why):
                    await message.ReplyAsync(WorkloadStatus.Refused(id, why), cancellationToken: stopping);
                    return;
                case HostVerb.Stop:
                    var stopped = WorkloadIds.Peek(body);
                    if (stopped is not null) refused.Remove(stopped);
                    await HearAsync(subject, stopped, await ForwardAsync(connection, message, body, subject, StopTimeout, stopping));
                    return;
                case HostVerb.Status:
                    var asked = WorkloadIds.Peek(body);
                    await HearAsync(subject, asked, await ForwardAsync(connection, message, body, subject, StatusTimeout, stopping));
                    return;
                case HostVerb.Heartbeat:
                    await ForwardAsync(connection, message, body, subject, StartTimeout, stopping);
                    return;
                default:
                    return;
            }
        }
        finally
        {
            // A start holds secrets in the clear.
            CryptographicOperations.ZeroMemory(body);
        }
    }

    private async Task StartAsync(NatsConnection connection, NatsMsg<byte[]> message, byte[] body, GateSubject subject, CancellationToken stopping)
    {
        switch (judge.Judge(body))
        {
            case StartJudgement.LetThrough allowed:
                refused.Remove(allowed.WorkloadId);
                await LetThroughAsync(connection, message, body, subject, allowed, stopping);
                return;
            case StartJudgement.Refused denied:
                await RefuseAsync(connection, message, subject, denied, stopping);
                return;
            default:
                return;
        }
    }

    private async Task RefuseAsync(NatsConnection connection, NatsMsg<byte[]> message, GateSubject subject, StartJudgement.Refused denied, CancellationToken stopping)
    {
        if (_refusalsLogged.HasRoom(time)) Refused(denied.Answer.DecisionId);
        await connection.PublishAsync(options.RefusalsSubject, denied.ToJson(subject.HostId), cancellationToken: stopping);
        // A host is silent on a start it cannot read; without an id an answer would be about nothing.
        if (denied.WorkloadId.Length == 0) return;
        refused.Add(denied.WorkloadId, denied.Message);
        await message.ReplyAsync(WorkloadStatus.Refused(denied.WorkloadId, denied.Message), cancellationToken: stopping);
    }

    // Remembered before its host can start it. A host that does not answer in time may have started it all the same.
    private async Task LetThroughAsync(
        NatsConnection connection, NatsMsg<byte[]> message, byte[] body, GateSubject subject, StartJudgement.LetThrough allowed, CancellationToken stopping)
    {
        var id = IdAt(subject, allowed.WorkloadId);
        bool isNew;
        try
        {
            isNew = await workloads.AllowAsync(id, allowed.Needs.Namespace, WorkloadText.Of(allowed.Needs.Namespace, allowed.Needs.Name), allowed.Questions);
        }
        catch (IOException e)
        {
            await RefuseAsync(connection, message, subject, judge.RefuseUnkept(allowed, e.Message), stopping);
            return;
        }

        try
        {
            var reply = await ForwardAsync(connection, message, body, subject, StartTimeout, stopping);
            if (isNew && (reply is null || WorkloadStatus.Runs(reply, allowed.WorkloadId) == false)) await workloads.ForgetAsync(id, isDeletion: false);
        }
        catch (NatsNoRespondersException)
        {
            if (isNew) await workloads.ForgetAsync(id, isDeletion: false);
            throw;
        }
    }

    // Another host's word about it counts for nothing.
    private Task HearAsync(GateSubject subject, string? workloadId, byte[]? reply)
    {
        if (workloadId is null || reply is null) return Task.CompletedTask;
        var id = IdAt(subject, workloadId);
        return WorkloadStatus.Runs(reply, workloadId) switch
        {
            true => workloads.HeardAsync(id, $"host {subject.HostId}", $"workload {Registration.Quote.From(workloadId)} on host {Registration.Quote.From(subject.HostId)}"),
            false => workloads.ForgetAsync(id, isDeletion: true),
            _ => Task.CompletedTask,
        };
    }

    private static string IdAt(GateSubject subject, string workloadId) => $"{subject.HostId}/{workloadId}";

    /// <returns>What the host answered; null when it was not asked.</returns>
    private async Task<byte[]?> ForwardAsync(
        NatsConnection connection, NatsMsg<byte[]> message, byte[] body, GateSubject subject, TimeSpan timeout, CancellationToken stopping)
    {
        using var place = _underWay.TryEnter(subject, subject.Verb == HostVerb.Start ? MaxStartsOfOneHost : MaxOthersOfOneHost);
        if (place is null)
        {
            DecisionPointTelemetry.Count(DoorName.WasmCloudInterposer, DecisionOutcome.Unanswered);
            if (_busyLogged.HasRoom(time)) HostIsBusy(Registration.Quote.From(subject.HostId));
            return null;
        }

        var reply = await connection.RequestAsync<byte[], byte[]>(
            subject.AtHost(options.HostPrefix), body, message.Headers, replyOpts: new NatsSubOpts { Timeout = timeout }, cancellationToken: stopping);
        await message.ReplyAsync(reply.Data ?? [], reply.Headers, cancellationToken: stopping);
        return reply.Data ?? [];
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A wasmCloud v2 start was refused; decision {DecisionId}")]
    private partial void Refused(string decisionId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The wasmCloud v2 host {HostId} does not answer as fast as it is asked; what is more is not answered and the operator tries again")]
    private partial void HostIsBusy(string hostId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A wasmCloud v2 request was not answered ({Fault}); the operator tries again")]
    private partial void Unanswered(string fault);
}
