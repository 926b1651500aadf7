namespace Identity.Policy.Evaluation;

/// <summary>Numbers NATS subjects with wildcards, and finds those that mean a subject, token by token.</summary>
internal sealed class SubjectTrie(KeyNumbers numbers)
{
    // Beyond this, looking at every rule that there is costs as much.
    private const int MaxSteps = 1_024;

    private readonly Node _root = new();

    // Those that forbids speak of, once more by themselves: of these also what is narrower than a request counts.
    private readonly Node _forbidden = new();

    public int KeyOf(NatsSubject subject) => KeyOf(_root, subject, 0);

    /// <summary>Makes a subject that has a number one that is found also by whoever asks for more than it means.</summary>
    public void Forbid(NatsSubject subject, int key) => KeyOf(_forbidden, subject, key);

    /// <param name="key">Zero for the next.</param>
    private int KeyOf(Node node, NatsSubject subject, int key)
    {
        var rest = subject.Text.AsSpan();
        while (true)
        {
            var token = NextToken(ref rest, out var isLast);
            if (token is ">") return node.Rest == 0 ? node.Rest = key == 0 ? numbers.Next() : key : node.Rest;
            if (token is "*")
            {
                node = node.Any ??= new Node();
            }
            else
            {
                node.Literals ??= new Dictionary<string, Node>(StringComparer.Ordinal);
                if (!node.Literals.TryGetValue(token.ToString(), out var next)) node.Literals.Add(token.ToString(), next = new Node());
                node = next;
            }

            if (isLast) return node.End == 0 ? node.End = key == 0 ? numbers.Next() : key : node.End;
        }
    }

    /// <param name="subject">Without wildcards.</param>
    public void Find(ReadOnlySpan<char> subject, ref KeySet found) => Find(_root, subject, ref found);

    // At most two ways for each of at most sixteen tokens, and no more than there are nodes.
    private static void Find(Node node, ReadOnlySpan<char> rest, ref KeySet found)
    {
        if (found.IsTooSmall) return;
        if (node.Rest != 0) found.Add(node.Rest);
        var token = NextToken(ref rest, out var isLast);
        if (node.Any is { } any) Follow(any, rest, isLast, ref found);
        if (node.Literals is { } literals && literals.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(token, out var next)) Follow(next, rest, isLast, ref found);
    }

    private static void Follow(Node node, ReadOnlySpan<char> rest, bool isLast, ref KeySet found)
    {
        if (!isLast) Find(node, rest, ref found);
        else if (node.End != 0) found.Add(node.End);
    }

    /// <summary>What means all of a subject with wildcards, and what is forbidden of it.</summary>
    public void FindForAll(ReadOnlySpan<char> subject, ref KeySet found)
    {
        FindMeaningAll(_root, subject, ref found);
        var steps = MaxSteps;
        FindForbidden(_forbidden, subject, true, ref steps, ref found);
    }

    private static void FindMeaningAll(Node node, ReadOnlySpan<char> rest, ref KeySet found)
    {
        if (found.IsTooSmall) return;
        if (node.Rest != 0) found.Add(node.Rest);
        var token = NextToken(ref rest, out var isLast);
        // Nothing but another '>' means all below.
        if (token is ">") return;
        if (node.Any is { } any) FollowMeaningAll(any, rest, isLast, ref found);
        if (token is not "*" && node.Literals is { } literals && literals.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(token, out var next)) FollowMeaningAll(next, rest, isLast, ref found);
    }

    private static void FollowMeaningAll(Node node, ReadOnlySpan<char> rest, bool isLast, ref KeySet found)
    {
        if (!isLast) FindMeaningAll(node, rest, ref found);
        else if (node.End != 0) found.Add(node.End);
    }

    /// <param name="meansAll">What leads to the node means all that was asked for up to there; if it does to the end, it was found already.</param>
    private static void FindForbidden(Node node, ReadOnlySpan<char> rest, bool meansAll, ref int steps, ref KeySet found)
    {
        if (--steps < 0) found.GiveUp();
        if (found.IsTooSmall) return;
        if (node.Rest != 0 && !meansAll) found.Add(node.Rest);
        var token = NextToken(ref rest, out var isLast);
        if (token is ">")
        {
            AddBelow(node, ref steps, ref found);
            return;
        }

        if (node.Any is { } any) FollowForbidden(any, rest, isLast, meansAll, ref steps, ref found);
        if (node.Literals is not { } literals) return;
        if (token is not "*")
        {
            if (literals.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(token, out var next)) FollowForbidden(next, rest, isLast, meansAll, ref steps, ref found);
            return;
        }

        foreach (var (_, next) in literals)
        {
            if (found.IsTooSmall) return;
            FollowForbidden(next, rest, isLast, false, ref steps, ref found);
        }
    }

    private static void FollowForbidden(Node node, ReadOnlySpan<char> rest, bool isLast, bool meansAll, ref int steps, ref KeySet found)
    {
        if (!isLast) FindForbidden(node, rest, meansAll, ref steps, ref found);
        else if (node.End != 0 && !meansAll) found.Add(node.End);
    }

    // None of it means all that is below.
    private static void AddBelow(Node node, ref int steps, ref KeySet found)
    {
        if (node.Any is { } any) AddAll(any, ref steps, ref found);
        if (node.Literals is not { } literals) return;
        foreach (var (_, next) in literals)
        {
            if (found.IsTooSmall) return;
            AddAll(next, ref steps, ref found);
        }
    }

    private static void AddAll(Node node, ref int steps, ref KeySet found)
    {
        if (--steps < 0) found.GiveUp();
        if (node.End != 0) found.Add(node.End);
        if (node.Rest != 0) found.Add(node.Rest);
        AddBelow(node, ref steps, ref found);
    }

    private static ReadOnlySpan<char> NextToken(ref ReadOnlySpan<char> rest, out bool isLast)
    {
        var dot = rest.IndexOf('.');
        isLast = dot < 0;
        var token = isLast ? rest : rest[..dot];
        rest = isLast ? [] : rest[(dot + 1)..];
        return token;
    }

    private sealed class Node
    {
        public Dictionary<string, Node>? Literals;
        public Node? Any;

        /// <summary>Of the subject that ends here; zero when none does.</summary>
        public int End;

        /// <summary>Of the subject that goes on with '&gt;'.</summary>
        public int Rest;
    }
}
