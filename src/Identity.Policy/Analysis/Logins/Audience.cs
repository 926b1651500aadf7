using Identity.Policy.Analysis.Sets;
using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis.Logins;

/// <summary>What either policy, or both, say on NATS to the same callers at the same moments.</summary>
internal sealed class Audience(int number, IReadOnlyList<Region> regions)
{
    private readonly List<Statement> _statements = [];

    public int Number => number;

    /// <summary>The callers, in parts that have nobody in common.</summary>
    public IReadOnlyList<Region> Regions => regions;

    public IReadOnlyList<Statement> Statements => _statements;

    /// <summary>What only one of the two policies says.</summary>
    public IEnumerable<Statement> Changed => _statements.Where(statement => statement.IsChanged);

    /// <summary>The one path of the ID that is meant, or null.</summary>
    public string? OnlyId => regions.Count > 0 && ((TreeSet)regions[0][Dimensions.Id]).Within is { Extent: TreeExtent.Exact } id ? id.Path : null;

    /// <summary>Stands for it.</summary>
    public PolicyClause Clause => _statements[0].Clause;

    public void Add(Statement statement) => _statements.Add(statement);

    /// <summary>By whom, whether it permits, and until when: the callers of clauses that agree in these are the same.</summary>
    public static (PolicySubject, bool, DateTimeOffset?) KeyOf(PolicyClause clause) =>
        (clause.Subject, clause.Effect == RuleEffect.Permit, clause.Effect == RuleEffect.Permit ? clause.Expires : null);

    public static IReadOnlyList<PolicyClause> ClausesOf(IEnumerable<Audience> audiences, bool before) =>
        [.. audiences.SelectMany(audience => audience.Statements).Where(statement => before ? statement.IsBefore : statement.IsAfter).Select(statement => statement.Clause)];

    /// <summary>Whether somebody whom these mean may have more rules than fit into a login: more rules never make it fewer subjects.</summary>
    public static bool MayBeTooMany(IEnumerable<Audience> audiences, WorkBudget work)
    {
        var subjects = 0;
        foreach (var audience in audiences)
        {
            foreach (var statement in audience.Statements) subjects += MostSubjectsOf(statement.Clause.Capability);
        }

        if (subjects <= NatsSubjects.MaxSubjects) return false;
        var (before, after) = (ClausesOf(audiences, before: true), ClausesOf(audiences, before: false));
        work.Take(4L * (before.Count + after.Count));
        return NatsSubjects.Collect(before).IsTooMany || NatsSubjects.Collect(after).IsTooMany;
    }

    // At least as many as its permit or forbid names.
    private static int MostSubjectsOf(Capability capability) => NatsJetStream.StreamBehind(capability) is null ? 1 : 32;
}

/// <summary>A clause on NATS, and which of two policies says so.</summary>
internal readonly record struct Statement(PolicyClause Clause, bool IsBefore, bool IsAfter)
{
    public bool IsChanged => IsBefore != IsAfter;

    public bool Permits => Clause.Effect == RuleEffect.Permit;
}

/// <summary>
/// Subjects that share nothing with others: of one stream, or of plain subscriptions below one first token. What a login says of one family follows from the rules about that family
/// alone, as long as they are not too many.
/// </summary>
/// <param name="Stream">Null for subscriptions.</param>
/// <param name="Token">Null for a stream.</param>
internal readonly record struct Family(string? Stream, string? Token)
{
    // What a forbid to publish takes from rights on JetStream.
    private static readonly NatsSubject[] Ruled = [NatsSubject.Raw("$JS.>"), NatsSubject.Raw("$KV.>")];

    /// <summary>Those that a clause is about; of a forbid of everything each that somebody is permitted something of.</summary>
    public static IEnumerable<Family> Of(Capability capability, IReadOnlyCollection<Family> permitted) => capability switch
    {
        Capability.NatsSubscribe subscribe when FirstOf(subscribe.Subject) is { } token => [new(null, token)],
        Capability.NatsSubscribe => permitted.Where(family => family.Token is not null),
        Capability.NatsPublish publish when IsOfJetStream(publish.Subject) => permitted.Where(family => family.Stream is not null),
        _ => NatsJetStream.StreamBehind(capability) is { } stream ? [new(stream, null)] : [],
    };

    public static HashSet<Family> Permitted(IEnumerable<Audience> audiences) =>
        [.. audiences.SelectMany(audience => audience.Statements).Where(statement => statement.Permits).SelectMany(statement => Of(statement.Clause.Capability, []))];

    public bool Has(Statement statement) => statement.Clause.Capability switch
    {
        Capability.NatsSubscribe subscribe => Token is not null && (FirstOf(subscribe.Subject) ?? Token) == Token,
        Capability.NatsPublish publish => Stream is not null && IsOfJetStream(publish.Subject),
        var capability => Stream is not null && NatsJetStream.StreamBehind(capability) == Stream,
    };

    public bool IsIn(Audience audience)
    {
        foreach (var statement in audience.Statements)
        {
            if (Has(statement)) return true;
        }

        return false;
    }

    public bool IsChangedBy(Audience audience)
    {
        foreach (var statement in audience.Statements)
        {
            if (statement.IsChanged && Has(statement)) return true;
        }

        return false;
    }

    /// <summary>
    /// Whether a login can say anything else of the family than single decisions: by a star that is left out, by a forbid of a queue group that is one of all, or by any forbid on JetStream.
    /// </summary>
    public bool MayDiffer(IEnumerable<Audience> audiences)
    {
        foreach (var audience in audiences)
        {
            foreach (var statement in audience.Statements)
            {
                if (Has(statement) && IsOdd(statement)) return true;
            }
        }

        return false;
    }

    /// <summary>See <see cref="MayDiffer"/>.</summary>
    public static bool IsOdd(Statement statement) => (statement.Permits, statement.Clause.Capability) switch
    {
        (true, Capability.NatsSubscribe subscribe) => subscribe.Subject.Text.EndsWith(".*", StringComparison.Ordinal),
        (false, Capability.NatsSubscribe subscribe) => subscribe.Queue is not null,
        (false, Capability.NatsPublish publish) => IsOfJetStream(publish.Subject),
        (false, Capability.Stream or Capability.Consumer or Capability.Bucket) => true,
        _ => false,
    };

    private static bool IsOfJetStream(NatsSubject subject) => Array.Exists(Ruled, subject.Overlaps);

    private static string? FirstOf(NatsSubject subject) => subject.Text.Split('.')[0] is var token && token is "*" or ">" ? null : token;
}
