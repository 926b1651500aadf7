using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis.Logins;

/// <summary>
/// What one side of a login lets through, or part of it: what some of the patterns in mean and none of those out. Subjects are as nats-server compares them, token by token;
/// in front of them stands the side, and of a subscription the queue group. A plain subscription is as one in a group that nobody names.
/// </summary>
internal sealed record SubjectGroup(IReadOnlyList<SubjectPattern> In, IReadOnlyList<SubjectPattern> Out)
{
    private const string PublishSide = "publish";
    private const string SubscribeSide = "subscribe";
    private const string AnswersSide = "answer requests";

    /// <summary>Publishing where a request says, which is no subject.</summary>
    public static SubjectPattern Answers { get; } = new([AnswersSide], HasTail: false);

    public static SubjectPattern Publish(NatsSubject subject) => Of(subject, PublishSide);

    /// <param name="queue">Null for every group, and none.</param>
    public static SubjectPattern Subscribe(NatsSubject subject, string? queue) => Of(subject, SubscribeSide, queue);

    /// <summary>As <see cref="NatsSide"/> writes it.</summary>
    public static SubjectPattern Parse(string text, bool publishes)
    {
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        var subject = NatsSubject.Raw(space < 0 ? text : text[..space]);
        return publishes ? Publish(subject) : Subscribe(subject, space < 0 ? null : text[(space + 1)..]);
    }

    /// <summary>For a person: <c>subscribe orders.&gt; workers</c>.</summary>
    public static string TextOf(SubjectPattern pattern) => pattern.Tokens[0] == AnswersSide ? AnswersSide
        : pattern.Tokens[0] == PublishSide
        ? $"{PublishSide} {Subject(pattern, 1)}"
        : $"{SubscribeSide} {Subject(pattern, 2)}{(pattern.Tokens[1] is { } queue ? " " + queue : "")}";

    /// <summary>A single subject, asked for.</summary>
    /// <param name="isNamed">Whether the pattern it is of names a queue group.</param>
    public static CapabilityRequest RequestOf(string[] subject, bool isNamed) => subject[0] == AnswersSide ? new CapabilityRequest.NatsRespond()
        : subject[0] == PublishSide
        ? new CapabilityRequest.NatsPublish(NatsSubject.Raw(string.Join('.', subject[1..])))
        : new CapabilityRequest.NatsSubscribe(NatsSubject.Raw(string.Join('.', subject[2..])), isNamed ? subject[1] : null);

    /// <summary>The parts of a pattern, less some, that lie in none of the groups. All of them together are the whole; they may overlap.</summary>
    /// <param name="work">Once it is used up, no more parts come.</param>
    /// <param name="from">Groups before this were looked at.</param>
    public static IEnumerable<LoginPart> Beside(SubjectPattern within, IReadOnlyList<SubjectPattern> without, IReadOnlyList<SubjectGroup> groups, WorkBudget work, int from = 0)
    {
        // A few patterns that overlap have parts without number; each is looked for among all that is taken from it.
        if (!work.Take(1 + (without.Count / 2))) yield break;
        if (Find(within, without) is not { } example) yield break;
        for (var i = from; i < groups.Count; i++)
        {
            if (!work.Take(1 + (groups[i].In.Count / 8))) yield break;
            List<SubjectPattern> met = [.. groups[i].In.Where(pattern => pattern.Intersect(within) is not null)];
            if (met.Count == 0) continue;
            foreach (var part in Beside(within, [.. without, .. met], groups, work, i + 1)) yield return part;
            foreach (var cut in groups[i].Out)
            {
                if (within.Intersect(cut) is not { } both || !met.Exists(pattern => pattern.Intersect(both) is not null)) continue;
                foreach (var part in Beside(both, without, groups, work, i + 1)) yield return part;
            }

            yield break;
        }

        yield return new LoginPart(within, [.. without.Where(cut => cut.Intersect(within) is not null).Distinct()], example);
    }

    /// <summary>Whether anything of a pattern lies in none of the others.</summary>
    public static bool IsLeft(SubjectPattern within, IReadOnlyList<SubjectPattern> without) => Find(within, without) is not null;

    // There are always more names than patterns mention: a token that nobody names decides for all of them.
    private static string[]? Find(SubjectPattern within, IReadOnlyList<SubjectPattern> without)
    {
        var longest = within.Tokens.Length;
        foreach (var cut in without) longest = Math.Max(longest, cut.Tokens.Length);
        var fresh = FreshNames.Free(number => FreshNames.Word(FreshNames.OfTokens, number), without.SelectMany(cut => cut.Tokens).OfType<string>());
        for (var length = within.Shortest; length <= (within.HasTail ? longest + 2 : within.Tokens.Length); length++)
        {
            var tokens = new string[length];
            for (var i = 0; i < length; i++) tokens[i] = within.TokenAt(i) ?? fresh;
            if (!without.Any(cut => cut.CanCover(length, tail: false) && cut.Agrees(tokens))) return tokens;
        }

        return null;
    }

    private static SubjectPattern Of(NatsSubject subject, params string?[] before)
    {
        var pattern = SubjectPattern.Parse(subject.Text);
        return new SubjectPattern([.. before, .. pattern.Tokens], pattern.HasTail);
    }

    private static string Subject(SubjectPattern pattern, int from) => new SubjectPattern(pattern.Tokens[from..], pattern.HasTail).ToString();
}

/// <summary>Some subjects of a login: what a pattern means without others, and one of them.</summary>
internal sealed record LoginPart(SubjectPattern Within, SubjectPattern[] Without, string[] Example)
{
    public bool Means(string[] subject) => IsIn(Within, subject) && !Array.Exists(Without, cut => IsIn(cut, subject));

    /// <summary>True when all that the other one means is meant by this one; false also where that is not plain.</summary>
    public bool Covers(LoginPart other) => Within.Intersect(other.Within) is { } both && both.Equals(other.Within)
        && Array.TrueForAll(Without, cut => cut.Intersect(other.Within) is null || Array.Exists(other.Without, known => cut.Intersect(known) is { } shared && shared.Equals(cut)));

    public override string ToString() => Without.Length == 0
        ? SubjectGroup.TextOf(Within)
        : $"{SubjectGroup.TextOf(Within)} without {string.Join(" and ", Without.Select(cut => SubjectGroup.TextOf(cut).Split(' ', 2)[1]).Distinct().Order(StringComparer.Ordinal))}";

    private static bool IsIn(SubjectPattern pattern, string[] subject) => pattern.CanCover(subject.Length, tail: false) && pattern.Agrees(subject);
}
