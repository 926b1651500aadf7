namespace Identity.Agent.SvidCache;

/// <summary>Whose tokens go when there are too many: a workload that asks for token after token pushes out its own, not its neighbours'.</summary>
internal static class FairEviction
{
    /// <summary>The keys of <paramref name="excess"/> tokens, or of fewer when there are no more: from whom has most, and of those the ones that end first.</summary>
    /// <param name="held">An owner's token without an end is one that is still being fetched; it goes first.</param>
    public static List<string> Choose(IEnumerable<(string Key, string Owner, DateTimeOffset? ExpiresAt)> held, int excess)
    {
        // One pass and a queue: this runs while every caller waits, also when each of thousands of owners has a single token.
        var greediest = new PriorityQueue<Queue<string>, int>();
        foreach (var owner in held.GroupBy(token => token.Owner, StringComparer.Ordinal))
        {
            var keys = new Queue<string>(owner.OrderBy(token => token.ExpiresAt).Select(token => token.Key));
            greediest.Enqueue(keys, -keys.Count);
        }

        var chosen = new List<string>(Math.Max(excess, 0));
        while (chosen.Count < excess && greediest.TryDequeue(out var keys, out _))
        {
            for (var half = (keys.Count + 1) / 2; half > 0 && chosen.Count < excess; half--) chosen.Add(keys.Dequeue());
            if (keys.Count > 0) greediest.Enqueue(keys, -keys.Count);
        }

        return chosen;
    }
}
