using Grpc.Core;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Who changes policy waits behind himself: of each author one change is compared at a time, of all authors a few, and those who wait take turns. Administrators are
/// apart, so that nobody who may write some policies holds up their forbid, and are never too many.
/// </summary>
/// <param name="atOnce">Of all authors who are no administrators.</param>
/// <param name="maxOfOne">Changes of one author that are under way, each with its documents in memory.</param>
internal sealed class AuthorLanes(int atOnce, int maxOfOne) : IDisposable
{
    private readonly SemaphoreSlim _room = new(atOnce);
    private readonly SemaphoreSlim _ofAdministrators = new(1);
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Lane> _lanes = new(StringComparer.Ordinal);

    public static bool IsAdministrator(string author) => author.StartsWith("admin:", StringComparison.Ordinal);

    /// <summary>Counts a change of an author until it is disposed of. To be asked for before anything of it is read.</summary>
    /// <exception cref="RpcException">Too many of this author are under way.</exception>
    public IDisposable Enter(string author)
    {
        if (IsAdministrator(author)) return NoPlace.Only;
        return Take(author, maxOfOne) ?? throw new RpcException(new Status(
            StatusCode.ResourceExhausted, $"{author} has {maxOfOne} changes of policy under way already; wait for one of them, and try again; nothing was changed"));
    }

    /// <summary>Runs what may cost seconds of a processor, when it is the author's turn.</summary>
    public async Task RunAsync(string author, Action costly, CancellationToken cancellation)
    {
        if (IsAdministrator(author))
        {
            await RunAsync(_ofAdministrators, () => OnAThreadAsync(costly, cancellation), cancellation);
            return;
        }

        // At most one of each author waits for room, so they take turns.
        using var place = Take(author, int.MaxValue)!;
        await RunAsync(place.Turn, () => RunAsync(_room, () => OnAThreadAsync(costly, cancellation), cancellation), cancellation);
    }

    public void Dispose()
    {
        _room.Dispose();
        _ofAdministrators.Dispose();
    }

    private static async Task RunAsync(SemaphoreSlim turn, Func<Task> run, CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation);
        try
        {
            await run();
        }
        finally
        {
            turn.Release();
        }
    }

    // A thread of its own: those of the pool answer everybody else.
    private static Task OnAThreadAsync(Action costly, CancellationToken cancellation) =>
        Task.Factory.StartNew(costly, cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private Place? Take(string author, int most)
    {
        lock (_lock)
        {
            if (!_lanes.TryGetValue(author, out var lane)) _lanes.Add(author, lane = new Lane());
            if (lane.Inside >= most) return null;
            lane.Inside++;
            return new Place(this, author, lane);
        }
    }

    private void Leave(string author, Lane lane)
    {
        lock (_lock)
        {
            if (--lane.Inside > 0) return;
            _lanes.Remove(author);
            lane.Turn.Dispose();
        }
    }

    private sealed class Lane
    {
        public SemaphoreSlim Turn { get; } = new(1);

        public int Inside { get; set; }
    }

    private sealed class Place(AuthorLanes lanes, string author, Lane lane) : IDisposable
    {
        private int _left;

        public SemaphoreSlim Turn => lane.Turn;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0) lanes.Leave(author, lane);
        }
    }

    private sealed class NoPlace : IDisposable
    {
        public static readonly NoPlace Only = new();

        public void Dispose()
        {
        }
    }
}
