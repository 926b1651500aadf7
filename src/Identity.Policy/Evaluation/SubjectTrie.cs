namespace Identity.Policy.Evaluation;

/// <summary>Numbers NATS subjects with wildcards, and finds those that mean a subject without, token by token.</summary>
internal sealed class SubjectTrie(KeyNumbers numbers)
{
    private readonly Node _root = new();

    public int KeyOf(NatsSubject subject)
    {
        var node = _root;
        var rest = subject.Text.AsSpan();
        while (true)
        {
            var token = NextToken(ref rest, out var isLast);
            if (token is ">") return node.Rest == 0 ? node.Rest = numbers.Next() : node.Rest;
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

            if (isLast) return node.End == 0 ? node.End = numbers.Next() : node.End;
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
