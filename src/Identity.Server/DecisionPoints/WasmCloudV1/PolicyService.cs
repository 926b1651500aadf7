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

    /// <summary>A yes that is not on disk this long after its request came is not given: there must be time left to say so.</summary>
    public static readonly TimeSpan MaxKeeping = TimeSpan.FromMilliseconds(900);

    // Whoever waited longest has this much.
    private static readonly TimeSpan MinKeeping = TimeSpan.FromMilliseconds(200);

    // They wait for the disk together, not for each other.
    private const int Workers = 64;

    // Changed answers that are told together.
    private const int ToldTogether = 256;

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

    // Somebody was refused what policy permits because it could not be kept.
    private volatile bool _isOwed;

    /// <summary>Why requests are not being answered right now, or none with a yes; null while they are.</summary>
    public string? Problem => _lattice.Problem ?? (given.Problem is { } problem ? $"yeses cannot be kept, so none is given: {problem}" : null);

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
            if (message.Data?.Length > PolicyRequest.Bounds.MaxBytes) await AnswerAsync(message.Connection, message, waited: TimeSpan.Zero, stopping);
            else if (!waiting.TryWrite(new Waiting(message, time.GetTimestamp()))) await AnswerAsync(message.Connection, message, waited: TimeSpan.MaxValue, stopping);
        }
    }

    private async Task WorkAsync(INatsConnection connection, ChannelReader<Waiting> waiting, CancellationToken stopping)
    {
        await foreach (var (message, arrived) in waiting.ReadAllAsync(stopping))
            await AnswerAsync(connection, message, time.GetElapsedTime(arrived), stopping);
    }

    private async Task AnswerAsync(INatsConnection? connection, NatsMsg<byte[]> message, TimeSpan waited, CancellationToken stopping)
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
            var judgement = waited > MaxAge ? responder.RefuseLate(body) : await KeepAsync(responder.Judge(body), waited);
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
            if (judgement.IsOwed) _isOwed = true;
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

    // No yes leaves before it is on disk: nobody would take it back after a crash.
    private async Task<PolicyJudgement> KeepAsync(PolicyJudgement judgement, TimeSpan waited)
    {
        if (options.ChangesTopic is null || judgement.Given is not { Permitted: true } yes) return judgement;
        try
        {
            var left = MaxKeeping - waited;
            await given.KeepAsync(yes).WaitAsync(left > MinKeeping ? left : MinKeeping, time);
            return judgement;
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            if (judgement.MayGoUnkept) return judgement;
            given.Unkeep(yes.Request);
            return responder.RefuseUnkept(yes.Request);
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
            _isOwed = false;
            foreach (var changed in responder.Review(owed: () => _isOwed = true).Chunk(ToldTogether)) await TellAsync(connection, changed, stopping);

            // Afterwards, so that nothing is told again that is not so any more.
            if (Interlocked.Exchange(ref _connectedAnew, 0) != 0) await TellAgainAsync(connection, stopping);
        }
    }

    // What is taken back waits for no disk: it is told again by whoever finds it kept as a yes still.
    private async Task TellAsync(NatsConnection connection, PolicyNews[] changed, CancellationToken stopping)
    {
        var untold = new Queue<PolicyNews>(changed.OrderBy(news => news.Response.Permitted));
        var areKept = false;
        try
        {
            while (untold.TryPeek(out var news))
            {
                if (news.Response.Permitted && !areKept && !(areKept = await AreKeptAsync(stopping))) break;
                untold.Dequeue();
                Changed(news.Response.Permitted);
                await TellAsync(connection, news, stopping);
            }
        }
        finally
        {
            foreach (var news in untold) given.PutBack(news.After, news.Before);
            if (untold.Count > 0) _isOwed = true;
        }
    }

    private async Task<bool> AreKeptAsync(CancellationToken stopping)
    {
        try
        {
            await given.WrittenAsync().WaitAsync(MaxKeeping, time, stopping);
            return true;
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            return false;
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
        while (!_reviews.Reader.TryRead(out _) && !(given.NextEnd <= time.GetUtcNow()) && !(_isOwed && given.Problem is null));
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
