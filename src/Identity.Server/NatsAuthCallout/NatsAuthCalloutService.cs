using System.Diagnostics;
using System.Security.Cryptography;
using System.Threading.Channels;
using Google.Protobuf.WellKnownTypes;
using Identity.Server.DecisionPoints;
using Identity.Server.Telemetry;
using Identity.V1;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>Stands at nats-server's side of the responder: connects, takes requests, records, answers, for as long as the process lives.</summary>
internal sealed partial class NatsAuthCalloutService(
    NatsAuthCalloutResponder responder,
    NatsCalloutKeys keys,
    INatsLoginBackend backend,
    GrantedLogins granted,
    NatsConnectionKicker kicker,
    NatsAuthCalloutOptions options,
    TimeProvider time,
    ILogger<NatsAuthCalloutService> logger) : BackgroundService
{
    public const string Subject = "$SYS.REQ.USER.AUTH";

    /// <summary>One group for all replicas: nats-server takes the first answer, so two must not race.</summary>
    public const string QueueGroup = "identityd";

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    // Whoever reaches nats-server can try to log in as often as it likes; of those that prove somebody each is told.
    private readonly RecordingBound _strangersLogged = new(60);

    private volatile string? _problem = "not connected yet";

    /// <summary>Why logins are not being answered right now; null while they are.</summary>
    public string? Problem => _problem;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ServeAsync(stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                // Whatever the connection says when it is torn down: we are stopping.
                return;
            }
            catch (Exception e) when (e is NatsException or IOException or TimeoutException or OperationCanceledException or ChannelClosedException)
            {
                // Told once, not once a second: without a nats-server this goes on for as long as the process.
                var problem = $"nats-server at {options.Url.Authority} cannot be reached, is not the one expected, or refuses the callout's key";
                if (_problem != problem) CannotServe(options.Url.Authority, e.GetType().Name);
                _problem = problem;
            }

            await Task.Delay(RetryAfter, time, stoppingToken);
        }
    }

    private async Task ServeAsync(CancellationToken stopping)
    {
        await using var connection = new NatsConnection(ConnectionOptions());
        connection.ConnectionDisconnected += (_, _) => SetProblemAsync($"the connection to nats-server at {options.Url.Authority} is lost; reconnecting");
        var isServing = false;
        connection.ConnectionOpened += (_, _) =>
        {
            if (isServing) kicker.Review();
            return SetProblemAsync(null);
        };
        await connection.ConnectAsync().AsTask().WaitAsync(stopping);

        var waiting = new NatsSubOpts { ChannelOpts = new NatsSubChannelOpts { Capacity = options.MaxWaiting, FullMode = BoundedChannelFullMode.DropOldest } };
        await using var subscription = await connection.SubscribeCoreAsync<byte[]>(Subject, QueueGroup, opts: waiting, cancellationToken: stopping);
        await connection.PingAsync(stopping); // the subscription has reached the server: from here on logins are answered
        _problem = null;
        isServing = true;
        kicker.Review();
        Serving(options.Url.Authority);
        await Task.WhenAll(Enumerable.Range(0, options.Workers).Select(_ => WorkAsync(subscription, stopping)));
    }

    private async Task WorkAsync(INatsSub<byte[]> subscription, CancellationToken stopping)
    {
        await foreach (var message in subscription.Msgs.ReadAllAsync(stopping))
        {
            try
            {
                if (await AnswerAsync(message.Data ?? [], message.Headers?["Nats-Server-Xkey"], stopping) is { } answer)
                    await message.ReplyAsync(answer, cancellationToken: stopping);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One login's fault is not the next one's: without an answer nats-server refuses it by itself.
                AnswerFailed(e.GetType().Name);
            }
        }
    }

    /// <summary>The sealed answer to one request; null when none is due.</summary>
    internal async Task<byte[]?> AnswerAsync(ReadOnlyMemory<byte> body, string? serverXkey, CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        using var activity = ServerTelemetry.Activities.StartActivity("nats login", ActivityKind.Server);
        var facts = backend.Facts;
        var jitter = RandomNumberGenerator.GetInt32(1000) / 1000.0;
        switch (responder.Judge(body.Span, serverXkey, facts, time.GetUtcNow(), jitter))
        {
            case CalloutJudgement.Admitted login:
                var id = backend.Record(LoginDecision.Of(login, facts.Policy.Revision, responder.OwnId));
                await backend.RecordIssuanceAsync(Intent(login), cancellation);
                if (!granted.TryRemember(login, backend.Facts)) kicker.End(login.Id);
                var answer = responder.Admit(login);
                activity?.SetTag("spiffe.id", login.Id.ToString());
                Admitted(login.Id, login.Account, login.ExpiresAt, id);
                Finished("admitted", LoginRefusal.Unspecified);
                return answer;

            case CalloutJudgement.Refused refused:
                id = backend.Record(LoginDecision.Of(refused, facts.Policy.Revision, responder.OwnId, time.GetUtcNow()));
                activity?.SetTag("spiffe.id", refused.Id?.ToString());
                activity?.SetStatus(ActivityStatusCode.Error, refused.Cause.ToString());
                if (refused.Id is not null || _strangersLogged.HasRoom(time)) Refused(refused.Id, refused.Cause, id);
                Finished("refused", refused.Cause);
                return responder.Refuse(refused, id, time.GetUtcNow());

            case CalloutJudgement.Ignored ignored:
                if (_strangersLogged.HasRoom(time)) Ignored(ignored.Reason);
                Finished("ignored", LoginRefusal.Unspecified);
                return null;

            default:
                return null;
        }

        void Finished(string outcome, LoginRefusal cause)
        {
            NatsCalloutTelemetry.Count(outcome, cause);
            NatsCalloutTelemetry.Duration.Record(time.GetElapsedTime(started).TotalSeconds);
        }
    }

    private IssuanceRecord Intent(CalloutJudgement.Admitted login) => new()
    {
        At = login.IssuedAt.ToTimestamp(),
        Kind = IssuanceRecord.Types.Kind.NatsUserJwt,
        SpiffeId = login.Id.ToString(),
        SerialOrJti = login.TokenId,
        NotBefore = login.IssuedAt.ToTimestamp(),
        NotAfter = login.ExpiresAt.ToTimestamp(),
        Requester = login.Id.ToString(),
        AuthorityId = keys.Issuer.GetPublicKey(),
        Audience = { login.Account },
    };

    private NatsOpts ConnectionOptions() => NatsOpts.Default with
    {
        Name = "identityd auth callout",
        Url = options.Url.ToString(),
        AuthOpts = new NatsAuthOpts { NKey = keys.User.GetPublicKey(), Seed = keys.User.GetSeed() },
        TlsOpts = NatsServerTls.For(options.TrustDomain, () => backend.Facts.Bundles, time),

        // A nats-server that is restarted with the right configuration lets us in again; giving up would lock everybody out.
        IgnoreAuthErrorAbort = true,
        ReconnectWaitMin = TimeSpan.FromMilliseconds(200),
        ReconnectWaitMax = TimeSpan.FromSeconds(2),
    };

    private ValueTask SetProblemAsync(string? problem)
    {
        _problem = problem;
        return ValueTask.CompletedTask;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Answering logins of nats-server {Server}")]
    private partial void Serving(string server);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot answer logins of nats-server {Server} ({Fault}); trying again")]
    private partial void CannotServe(string server, string fault);

    [LoggerMessage(Level = LogLevel.Information, Message = "NATS login of {SpiffeId} admitted to {Account} until {ExpiresAt:O}; decision {DecisionId}")]
    private partial void Admitted(SpiffeId spiffeId, string account, DateTimeOffset expiresAt, string decisionId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "NATS login of {SpiffeId} refused: {Cause}; decision {DecisionId}")]
    private partial void Refused(SpiffeId? spiffeId, LoginRefusal cause, string decisionId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "An authorization request was not answered: {Reason}")]
    private partial void Ignored(string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A NATS login could not be answered ({Fault}); nats-server refuses it")]
    private partial void AnswerFailed(string fault);
}
