using Identity.Server.Authority;
using NATS.Client.Core;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// How a door stands on the NATS of a wasmCloud lattice: connected, and after whatever fault connected again, for as long as the process
/// lives. While it is not, nobody is answered, and whoever asks refuses by itself.
/// </summary>
internal sealed partial class LatticeConnection(DoorName door, WasmCloudOptions options, SigningAuthority authority, TimeProvider time, ILogger logger)
{
    /// <summary>One group for all replicas, so that a request is answered once.</summary>
    public const string QueueGroup = "identityd";

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly RecordingBound _dropsLogged = new(1);
    private volatile string? _problem = "not connected yet";
    private volatile bool _isReady;

    /// <summary>Why requests are not being answered right now; null while they are.</summary>
    public string? Problem => _problem;

    /// <summary>Runs what serves, again whenever it ends.</summary>
    /// <param name="serve">Subscribes, says <see cref="ReadyAsync"/>, and goes on until the connection or the process ends.</param>
    public async Task KeepAsync(Func<NatsConnection, CancellationToken, Task> serve, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await ServeAsync(serve, stopping);
                _problem = "the connection to the NATS of the lattice has ended; connecting anew";
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Told once, not once a second. Whatever it is, the other doors of this process go on.
                const string Lost = "the NATS of the lattice cannot be reached, is not the one expected, or refuses the login";
                if (_problem != Lost) CannotServe(door.Text, options.NatsUrl.Authority, e.GetType().Name);
                _problem = Lost;
            }

            await Task.Delay(RetryAfter, time, stopping);
        }
    }

    /// <summary>To be called when all subscriptions have been sent.</summary>
    public async Task ReadyAsync(NatsConnection connection, string subject, CancellationToken stopping)
    {
        await connection.PingAsync(stopping); // they have reached the server
        _isReady = true;
        _problem = null;
        Serving(door.Text, options.NatsUrl.Authority, subject);
    }

    private async Task ServeAsync(Func<NatsConnection, CancellationToken, Task> serve, CancellationToken stopping)
    {
        _isReady = false;
        await using var connection = new NatsConnection(WasmCloudNats.Options($"identityd {door.Text}", options, authority, time));
        connection.ConnectionDisconnected += (_, _) => SetProblemAsync("the connection to the NATS of the lattice is lost; reconnecting");
        connection.ConnectionOpened += (_, _) => _isReady ? SetProblemAsync(null) : ValueTask.CompletedTask;
        // What is over the subscription's bound is gone: nobody is answered yes, and who asked refuses by itself or asks again.
        connection.MessageDropped += (_, dropped) =>
        {
            DecisionPointTelemetry.Count(door, DecisionOutcome.Unanswered);
            if (_dropsLogged.HasRoom(time)) Dropped(door.Text, dropped.Pending);
            return ValueTask.CompletedTask;
        };
        await connection.ConnectAsync().AsTask().WaitAsync(stopping);
        await serve(connection, stopping);
    }

    private ValueTask SetProblemAsync(string? problem)
    {
        _problem = problem;
        return ValueTask.CompletedTask;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Door} answers at {Server} on {Subject}")]
    private partial void Serving(string door, string server, string subject);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Door} is asked more than it can take: requests are dropped unanswered, with {Waiting} waiting; told once a minute")]
    private partial void Dropped(string door, int waiting);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Door} cannot answer at {Server} ({Fault}); trying again")]
    private partial void CannotServe(string door, string server, string fault);
}
