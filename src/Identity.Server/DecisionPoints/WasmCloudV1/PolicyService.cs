using System.Threading.Channels;
using Identity.Server.Authority;
using Identity.Server.Ledger;
using NATS.Client.Core;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// Stands at NATS's side of the responder: takes requests, answers them well inside the second a v1 host waits, and tells hosts what has
/// changed. Every request is answered, refused, or counted as unanswered; none is dropped unseen.
/// </summary>
internal sealed partial class PolicyService(
    PolicyResponder responder,
    GivenAnswers given,
    WasmCloudOptions options,
    SigningAuthority authority,
    ControlPlaneLedger ledger,
    TimeProvider time,
    ILogger<PolicyService> logger) : BackgroundService
{
    /// <summary>Requests that may wait to be decided.</summary>
    public const int MaxWaiting = 4096;

    /// <summary>A request older than this is refused undecided: its host waits one second in all.</summary>
    public static readonly TimeSpan MaxAge = TimeSpan.FromMilliseconds(700);

    private const int Workers = 4;

    // A host that is told something while it still files the answer before would take it for news of a question it never asked.
    private static readonly TimeSpan RepeatAfter = TimeSpan.FromSeconds(1);

    // How late the end of a grant may be told.
    private static readonly TimeSpan LookForEnds = TimeSpan.FromSeconds(1);

    private readonly Channel<Repeat> _repeats = Channel.CreateBounded<Repeat>(new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropOldest });
    private readonly Channel<bool> _reviews = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly LatticeConnection _lattice = new(DoorName.WasmCloudPolicyService, options, authority, time, logger);

    // Whoever floods the topic does not flood the log.
    private readonly RecordingBound _noRoomLogged = new(1);
    private int _connectedAnew;

    /// <summary>Why requests are not being answered right now; null while they are.</summary>
    public string? Problem => _lattice.Problem;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => _lattice.KeepAsync(ServeAsync, stoppingToken);

    private async Task ServeAsync(NatsConnection connection, CancellationToken stopping)
    {
        await using var subscription = await connection.SubscribeCoreAsync<byte[]>(options.PolicyTopic!, LatticeConnection.QueueGroup, cancellationToken: stopping);
        await _lattice.ReadyAsync(connection, options.PolicyTopic!, stopping);
        ConnectedAnew();
        connection.ConnectionOpened += (_, _) =>
        {
            ConnectedAnew();
            return ValueTask.CompletedTask;
        };

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var waiting = Channel.CreateBounded<Waiting>(MaxWaiting);
        List<Task> all =
        [
            TakeAsync(subscription, waiting.Writer, ended.Token),
            WatchPolicyAsync(ended.Token),
            ReviewAsync(connection, ended.Token),
            RepeatAsync(connection, ended.Token),
            .. Enumerable.Range(0, Workers).Select(_ => WorkAsync(connection, waiting.Reader, ended.Token)),
        ];
        try
        {
            await await Task.WhenAny(all);
        }
        finally
        {
            await ended.CancelAsync();
            await Task.WhenAll(all).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task TakeAsync(INatsSub<byte[]> subscription, ChannelWriter<Waiting> waiting, CancellationToken stopping)
    {
        await foreach (var message in subscription.Msgs.ReadAllAsync(stopping))
        {
            // What is too long to be read need not be held until its turn: thousands of them would be gigabytes.
            if (message.Data?.Length > PolicyRequest.Bounds.MaxBytes) await AnswerAsync(message.Connection, message, isLate: false, stopping);
            else if (!waiting.TryWrite(new Waiting(message, time.GetTimestamp()))) await AnswerAsync(message.Connection, message, isLate: true, stopping);
        }
    }

    private async Task WorkAsync(INatsConnection connection, ChannelReader<Waiting> waiting, CancellationToken stopping)
    {
        await foreach (var (message, arrived) in waiting.ReadAllAsync(stopping))
            await AnswerAsync(connection, message, isLate: time.GetElapsedTime(arrived) > MaxAge, stopping);
    }

    private async Task AnswerAsync(INatsConnection? connection, NatsMsg<byte[]> message, bool isLate, CancellationToken stopping)
    {
        try
        {
            if (message.ReplyTo is null) return; // nobody waits
            if (!ReplySubject.IsInbox(message.ReplyTo, options))
            {
                DecisionPointTelemetry.Count(DoorName.WasmCloudPolicyService, DecisionOutcome.Unanswered);
                return;
            }

            var body = message.Data ?? [];
            var judgement = isLate ? responder.RefuseLate(body) : responder.Judge(body);
            if (judgement.FoundNoRoom && _noRoomLogged.HasRoom(time)) NoRoom(given.Count);
            var answer = options.ChangesTopic is null ? null : judgement.Given;
            try
            {
                if (judgement.Response is { } response) await message.ReplyAsync(response.ToJson(), cancellationToken: stopping);
            }
            finally
            {
                // Remembered only now: what is told of a question must reach the host after the answer to it. Also where it failed, for it may be out.
                if (answer is not null) given.Add(answer);
            }

            if (answer is null) return;
            if (judgement.Correction is { } correction && connection is not null && given.Replace(correction.Before, correction.After))
                await TellAsync(connection, correction, stopping);

            // Policy may have changed while the answer was on its way.
            else if (judgement.Correction is not null || judgement.MayBeOutdated(ledger.State)) _reviews.Writer.TryWrite(true);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // One request's fault is not the next one's: without an answer its host refuses by itself.
            AnswerFailed(e.GetType().Name);
            _reviews.Writer.TryWrite(true);
            DecisionPointTelemetry.Count(DoorName.WasmCloudPolicyService, DecisionOutcome.Unanswered);
        }
    }

    private async Task WatchPolicyAsync(CancellationToken stopping)
    {
        ulong? told = null;
        await foreach (var state in ledger.WatchAsync(stopping))
        {
            if (state.PolicyRevision == told) continue;
            told = state.PolicyRevision;
            _reviews.Writer.TryWrite(true);
        }
    }

    // Woken by a change of policy, and by the end of a grant.
    private async Task ReviewAsync(NatsConnection connection, CancellationToken stopping)
    {
        // Without a topic there is nobody to tell.
        if (options.ChangesTopic is null) await Task.Delay(Timeout.InfiniteTimeSpan, time, stopping);
        while (true)
        {
            await WaitForReviewAsync(stopping);
            if (Interlocked.Exchange(ref _connectedAnew, 0) != 0) await TellAgainAsync(connection, stopping);
            foreach (var changed in responder.Review())
            {
                Changed(changed.Response.Permitted);
                await TellAsync(connection, changed, stopping);
            }
        }
    }

    private async Task WaitForReviewAsync(CancellationToken stopping)
    {
        do
        {
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            await Task.WhenAny(_reviews.Reader.WaitToReadAsync(waiting.Token).AsTask(), Task.Delay(LookForEnds, time, waiting.Token));
            await waiting.CancelAsync();
            stopping.ThrowIfCancellationRequested();
        }
        while (!_reviews.Reader.TryRead(out _) && !(given.NextEnd <= time.GetUtcNow()));
    }

    private async Task TellAsync(INatsConnection connection, PolicyNews news, CancellationToken stopping)
    {
        try
        {
            await connection.PublishAsync(options.ChangesTopic!, news.Response.ToJson(), cancellationToken: stopping);
        }
        catch
        {
            // The host still goes by what it was told before: the next review must find that.
            given.PutBack(news.After, news.Before);
            _reviews.Writer.TryWrite(true);
            throw;
        }

        _repeats.Writer.TryWrite(new Repeat(news.Response, time.GetUtcNow() + RepeatAfter));
    }

    // What was published last may have gone down with the connection, and nobody would have said so.
    private async Task TellAgainAsync(NatsConnection connection, CancellationToken stopping)
    {
        foreach (var news in given.News()) await connection.PublishAsync(options.ChangesTopic!, news.ToJson(), cancellationToken: stopping);
    }

    private async Task RepeatAsync(NatsConnection connection, CancellationToken stopping)
    {
        await foreach (var (response, due) in _repeats.Reader.ReadAllAsync(stopping))
        {
            var wait = due - time.GetUtcNow();
            if (wait > TimeSpan.Zero) await Task.Delay(wait, time, stopping);
            // Not what is no longer so.
            if (given.IsTold(response.RequestId, response.Permitted)) await connection.PublishAsync(options.ChangesTopic!, response.ToJson(), cancellationToken: stopping);
        }
    }

    private void ConnectedAnew()
    {
        Interlocked.Exchange(ref _connectedAnew, 1);
        _reviews.Writer.TryWrite(true);
    }

    private readonly record struct Waiting(NatsMsg<byte[]> Message, long Arrived);

    private readonly record struct Repeat(PolicyResponse Response, DateTimeOffset Due);

    [LoggerMessage(Level = LogLevel.Information, Message = "A wasmCloud v1 host was told a new answer to an old question: permitted {Permitted}")]
    private partial void Changed(bool permitted);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A wasmCloud v1 host is refused what policy permits, or not answered: {Count} answers are out, and one more yes to it could not be kept track of")]
    private partial void NoRoom(int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "A wasmCloud v1 host could not be answered ({Fault}); it refuses by itself")]
    private partial void AnswerFailed(string fault);
}
