namespace Identity.Policy.Analysis.Sets;

/// <summary>
/// What may be asked for on NATS: subjects, and all subjects below one (<c>a.b.&gt;</c> asked for as such, which one permit must cover and no
/// forbid may touch). Patterns may cross (<c>a.*</c> and <c>*.b</c>), but there are always more tokens than patterns name: whether a token
/// that nobody names is meant decides for all of them, so for every length one cut alone has to cover what is there, or something is left.
/// </summary>
internal sealed class SubjectSet : ValueSet
{
    private static readonly SubjectPattern Everything = SubjectPattern.Parse(">");

    private readonly SubjectPattern _within;
    private readonly SubjectPattern[] _touching;
    private readonly Cut[] _cuts;

    private SubjectSet(SubjectPattern within, SubjectPattern[] touching, Cut[] cuts) => (_within, _touching, _cuts) = (within, touching, cuts);

    public static SubjectSet All { get; } = new(Everything, [], []);

    /// <summary>What lies within the pattern whole: what a permit means.</summary>
    public static SubjectSet Within(SubjectPattern pattern) => new(pattern, [], []);

    /// <summary>What the pattern meets: what a forbid means.</summary>
    public static SubjectSet Touching(SubjectPattern pattern) => new(Everything, [pattern], []);

    /// <summary>The pattern in which all of it lies.</summary>
    public SubjectPattern Pattern => _touching.Aggregate(_within, (shared, touching) => shared.Intersect(touching) ?? shared);

    // Subjects are looked through length by length.
    public override int Size => 4 * (1 + _touching.Length + _cuts.Length);

    public override ValueSet? Intersect(ValueSet pattern)
    {
        var other = (SubjectSet)pattern;
        return _within.Intersect(other._within) is { } within ? Given(within, [.. _touching, .. other._touching], _cuts) : null;
    }

    public override ValueSet? Except(ValueSet pattern) => Given(_within, _touching, [.. _cuts, CutOf((SubjectSet)pattern)]);

    public override ValueSet? ExceptAll(IReadOnlyList<ValueSet> patterns) =>
        Given(_within, _touching, [.. _cuts.Concat(patterns.Select(pattern => CutOf((SubjectSet)pattern))).Distinct()]);

    private static Cut CutOf(SubjectSet pattern) => pattern switch
    {
        { _touching.Length: 0 } => new Cut(pattern._within, Touches: false),
        { _touching: [var touched] } when pattern._within == Everything => new Cut(touched, Touches: true),
        _ => throw new ArgumentException("only a pattern can be cut out", nameof(pattern)),
    };

    /// <summary>A subject without wildcards, as short as there is; where only the subjects below one together are left, these.</summary>
    public string Example() => Find() ?? throw new InvalidOperationException("an empty set was kept");

    private string? Find() => Find(tail: false) ?? Find(tail: true);

    private string? Find(bool tail)
    {
        if (tail && !_within.HasTail) return null;
        var named = _within.Tokens.Length;
        foreach (var touching in _touching) named = Math.Max(named, touching.Tokens.Length);
        foreach (var cut in _cuts) named = Math.Max(named, cut.Pattern.Tokens.Length);
        // Two tokens more than any pattern names: all lengths from there on are alike.
        for (var length = tail ? 0 : 1; length <= Math.Min(named + 2, NatsSubject.MaxTokens - (tail ? 1 : 0)); length++)
        {
            if (TokensOf(length, tail) is not { } tokens || Array.Exists(_cuts, cut => cut.Means(tokens, tail))) continue;
            var subject = string.Join('.', tail ? [.. tokens, ">"] : tokens);
            if (subject.Length <= NatsSubject.MaxLength) return subject;
        }

        return null;
    }

    // The tokens that every pattern insists on, and names that nobody knows between them.
    private string[]? TokensOf(int length, bool tail)
    {
        if (!_within.CanCover(length, tail) || !Array.TrueForAll(_touching, touching => touching.CanTouch(length, tail))) return null;
        var tokens = new string?[length];
        for (var i = 0; i < length; i++)
        {
            tokens[i] = _within.TokenAt(i);
            foreach (var touching in _touching)
            {
                if (touching.TokenAt(i) is not { } token) continue;
                if (tokens[i] is { } named && named != token) return null;
                tokens[i] = token;
            }
        }

        return [.. tokens.Select((token, i) => token ?? Fresh(i))];
    }

    // As short as there is: a subject has a longest.
    private string Fresh(int at) => FreshNames.Free(
        number => FreshNames.Word(FreshNames.OfTokens, number), _cuts.Select(cut => cut.Pattern.TokenAt(at)).OfType<string>());

    private static SubjectSet? Given(SubjectPattern within, SubjectPattern[] touching, Cut[] cuts)
    {
        var set = new SubjectSet(within, touching, cuts);
        return set.Find() is null ? null : set;
    }

    private readonly record struct Cut(SubjectPattern Pattern, bool Touches)
    {
        public bool Means(string[] tokens, bool tail) => Touches
            ? Pattern.CanTouch(tokens.Length, tail) && Pattern.Agrees(tokens)
            : Pattern.CanCover(tokens.Length, tail) && Pattern.Agrees(tokens);
    }
}

/// <summary>A NATS subject with wildcards. A null token is <c>*</c>; a tail is <c>&gt;</c>, one token or more.</summary>
internal sealed record SubjectPattern(string?[] Tokens, bool HasTail)
{
    public int Shortest => Tokens.Length + (HasTail ? 1 : 0);

    public static SubjectPattern Parse(string text)
    {
        var tokens = text.Split('.');
        var tail = tokens[^1] == ">";
        return new SubjectPattern([.. (tail ? tokens[..^1] : tokens).Select(token => token == "*" ? null : token)], tail);
    }

    /// <summary>Null for a wildcard.</summary>
    public string? TokenAt(int index) => index < Tokens.Length ? Tokens[index] : null;

    /// <summary>As far as lengths go: may something of this many tokens, and with a tail all below it, lie within the pattern?</summary>
    public bool CanCover(int length, bool tail) => HasTail ? length + (tail ? 1 : 0) >= Shortest : !tail && length == Tokens.Length;

    /// <summary>As far as lengths go: may something of this many tokens, and with a tail all below it, meet the pattern?</summary>
    public bool CanTouch(int length, bool tail) => tail ? HasTail || Tokens.Length > length : CanCover(length, tail);

    public bool Agrees(string[] tokens)
    {
        for (var i = 0; i < Math.Min(Tokens.Length, tokens.Length); i++)
        {
            if (Tokens[i] is { } token && token != tokens[i]) return false;
        }

        return true;
    }

    /// <summary>The subjects that both mean are always one pattern, or none.</summary>
    public SubjectPattern? Intersect(SubjectPattern other)
    {
        if (!HasTail && !(other.CanCover(Tokens.Length, tail: false))) return null;
        if (!other.HasTail && !CanCover(other.Tokens.Length, tail: false)) return null;
        var tokens = new string?[Math.Max(Tokens.Length, other.Tokens.Length)];
        for (var i = 0; i < tokens.Length; i++)
        {
            var (mine, theirs) = (TokenAt(i), other.TokenAt(i));
            if (mine is not null && theirs is not null && mine != theirs) return null;
            tokens[i] = mine ?? theirs;
        }

        return new SubjectPattern(tokens, HasTail && other.HasTail);
    }

    public bool Equals(SubjectPattern? other) => other is not null && HasTail == other.HasTail && Tokens.AsSpan().SequenceEqual(other.Tokens);

    public override int GetHashCode() => HashCode.Combine(Tokens.Length, HasTail);

    public override string ToString() => string.Join('.', [.. Tokens.Select(token => token ?? "*"), .. HasTail ? [">"] : Array.Empty<string>()]);
}
