using System.Collections.Frozen;
using System.Runtime.ExceptionServices;
using System.Text;
using System.Text.Json;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>One pass over the connections of every nats-server that answers, ending those of some identities.</summary>
internal sealed class Sweep
{
    private const int PageSize = 1024;
    private const int MaxPages = 4096;

    // How long to wait for one more server to answer. Each is acted upon as it answers, so this delays no kick of the page.
    private static readonly TimeSpan LastAnswerAfter = TimeSpan.FromMilliseconds(500);
    private static readonly NatsSubOpts KickAnswer = new() { Timeout = TimeSpan.FromSeconds(2) };
    private static readonly NatsSubOpts Answers = new() { StartUpTimeout = TimeSpan.FromSeconds(2), IdleTimeout = LastAnswerAfter, ThrowIfNoResponders = true };

    private readonly GrantedLogins? _known;
    private readonly Func<SpiffeId, bool>? _isEntitled;
    private readonly IReadOnlyDictionary<string, DateTimeOffset>? _newerAreFine;
    private readonly Dictionary<string, DateTimeOffset> _ranAt = new(StringComparer.Ordinal);

    /// <param name="ids">Whose connections are to end.</param>
    /// <param name="known">When set, also those of everybody who is not remembered there.</param>
    /// <param name="isEntitled">When set, also those of everybody of whom it says no.</param>
    public Sweep(IEnumerable<string> ids, GrantedLogins? known, Func<SpiffeId, bool>? isEntitled)
        : this(ids.ToFrozenSet(StringComparer.Ordinal), known, isEntitled, newerAreFine: null, dueAt: default)
    {
    }

    private Sweep(
        FrozenSet<string> ids, GrantedLogins? known, Func<SpiffeId, bool>? isEntitled, IReadOnlyDictionary<string, DateTimeOffset>? newerAreFine, DateTimeOffset dueAt)
    {
        Ids = ids;
        _known = known;
        _isEntitled = isEntitled;
        _newerAreFine = newerAreFine;
        DueAt = dueAt;
    }

    public FrozenSet<string> Ids { get; }

    public DateTimeOffset DueAt { get; }

    /// <summary>
    /// The same once more, for connections that were still logging in when this one came by. Those begun after it (by their server's clock)
    /// were judged by the new facts and stay.
    /// </summary>
    public Sweep Again(DateTimeOffset dueAt) => new(Ids, known: null, isEntitled: null, _ranAt, dueAt);

    /// <summary>An answer that cannot be read keeps nobody on the other servers; the first is thrown when all were looked through.</summary>
    /// <returns>How many were ended.</returns>
    public async Task<int> RunAsync(NatsConnection connection, CancellationToken cancellation)
    {
        ExceptionDispatchInfo? unread = null;
        var kicked = 0;
        var offset = 0;
        for (var page = 0; page < MaxPages; page++)
        {
            var (here, most, isLast, odd) = await RunPageAsync(connection, offset, cancellation);
            unread ??= odd;
            kicked += here;
            if (isLast) break;

            // What was ended is gone from the pages, by different numbers on different servers: rather see one twice than miss it.
            offset += PageSize - most;
        }

        unread?.Throw();
        return kicked;
    }

    private async Task<(int Kicked, int Most, bool IsLast, ExceptionDispatchInfo? Unread)> RunPageAsync(NatsConnection connection, int offset, CancellationToken cancellation)
    {
        int answers = 0, kicked = 0, most = 0;
        var isLast = true;
        ExceptionDispatchInfo? unread = null;
        await foreach (var reply in connection.RequestManyAsync<byte[], byte[]>("$SYS.REQ.SERVER.PING.CONNZ", Question(offset), replyOpts: Answers, cancellationToken: cancellation))
        {
            if (reply.Data is null) continue;
            answers++;
            try
            {
                var (onServer, isWhole) = await EndAsync(connection, reply.Data, cancellation);
                isLast &= isWhole;
                kicked += onServer;
                most = Math.Max(most, onServer);
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                unread ??= ExceptionDispatchInfo.Capture(e);
            }
        }

        return answers > 0 ? (kicked, most, isLast, unread) : throw new TimeoutException("no nats-server told its connections");
    }

    private async Task<(int Kicked, bool IsLast)> EndAsync(NatsConnection connection, byte[] reply, CancellationToken cancellation)
    {
        using var answer = JsonDocument.Parse(reply);
        var server = answer.RootElement.GetProperty("server").GetProperty("id").GetString() ?? throw new FormatException("a nats-server without an id");
        if (!answer.RootElement.TryGetProperty("data", out var data) || !data.TryGetProperty("connections", out var connections)) return (0, true);
        if (data.TryGetProperty("now", out var now) && now.TryGetDateTimeOffset(out var at)) _ranAt.TryAdd(server, at);
        var kicked = 0;
        foreach (var connected in connections.EnumerateArray().Where(connected => IsToEnd(connected, server)))
        {
            var kick = Encoding.UTF8.GetBytes($$"""{"cid":{{connected.GetProperty("cid").GetUInt64()}}}""");

            // A request, not a publish: nats-server does nothing for somebody who does not ask for an answer. Its answer is an
            // error when the connection is gone already, which is as good.
            await connection.RequestAsync<byte[], byte[]>($"$SYS.REQ.SERVER.{server}.KICK", kick, replyOpts: KickAnswer, cancellationToken: cancellation);
            kicked++;
        }

        return (kicked, connections.GetArrayLength() < PageSize);
    }

    // The filter is nats-server's; what is ended is checked by us. A SPIFFE ID has no character that JSON would escape.
    private byte[] Question(int offset)
    {
        var user = _known is null && _isEntitled is null && Ids.Count == 1 ? $"\"user\":\"{Ids.Single()}\"," : "";
        return Encoding.UTF8.GetBytes($$"""{"auth":true,{{user}}"acc":"{{NatsAuthCalloutResponder.ApplicationAccount}}","limit":{{PageSize}},"offset":{{offset}}}""");
    }

    private bool IsToEnd(JsonElement connected, string server)
    {
        if (!connected.TryGetProperty("authorized_user", out var user) || user.GetString() is not { Length: > 0 } name) return false;
        if (connected.TryGetProperty("account", out var account) && !account.ValueEquals(NatsAuthCalloutResponder.ApplicationAccount)) return false;
        if (!Ids.Contains(name) && (_known is null || _known.Knows(name)) && !IsNoLongerEntitled(name)) return false;
        return _newerAreFine is null
            || !_newerAreFine.TryGetValue(server, out var ranAt)
            || !connected.GetProperty("start").TryGetDateTimeOffset(out var start)
            || start <= ranAt;
    }

    private bool IsNoLongerEntitled(string name) => _isEntitled is not null && SpiffeId.TryParse(name, out var id, out _) && !_isEntitled(id);
}
