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

    /// <summary>
    /// Whether somebody whom these mean may have more rules than fit into a login, so that what is told of one subject depends on the others: more rules never make it fewer subjects.
    /// </summary>
    public static bool MayBeTooMany(IEnumerable<Audience> audiences, WorkBudget work)
    {
        var subjects = 0;
        foreach (var audience in audiences)
        {
            foreach (var statement in audience.Statements) subjects += MostSubjectsOf(statement.Clause.Capability);
        }

        if (subjects > NatsSubjects.MaxSubjects)
        {
            var (before, after) = (ClausesOf(audiences, before: true), ClausesOf(audiences, before: false));
            work.Take(4L * (before.Count + after.Count));
            if (NatsSubjects.Collect(before).IsTooMany || NatsSubjects.Collect(after).IsTooMany) return true;
        }

        return MayBeCut(audiences, work);
    }

    /// <summary>Whether somebody whom these mean may have more denies of subscriptions than fit into a login, so that permits are left out.</summary>
    public static bool MayBeCut(IEnumerable<Audience> audiences, WorkBudget work)
    {
        var (permits, forbids) = (1L, 0L);
        foreach (var audience in audiences)
        {
            foreach (var statement in audience.Statements)
            {
                if (statement.Clause.Capability is not Capability.NatsSubscribe) continue;
                if (statement.Permits) permits++;
                else forbids++;
            }
        }

        if (permits * (1 + forbids) <= NatsSubjects.MaxSubjects) return false;
        work.Take(permits * (1 + forbids) / 8);
        return MayBeCut(ClausesOf(audiences, before: true)) || MayBeCut(ClausesOf(audiences, before: false));
    }

    // As many denies as there can be: at most one below each star, and one where each permit, and the inbox, meets each forbid.
    private static bool MayBeCut(IReadOnlyList<PolicyClause> clauses)
    {
        var subscriptions = clauses.Where(clause => clause.Capability is Capability.NatsSubscribe).ToLookup(clause => clause.Effect == RuleEffect.Permit, clause => (Capability.NatsSubscribe)clause.Capability);
        List<NatsSubject> permitted = [.. subscriptions[true].Select(permit => permit.Subject), NatsSubjects.Inboxes];
        List<NatsSubject> forbidden = [.. subscriptions[false].Distinct().Select(forbid => forbid.Subject)];
        return permitted.Count * (1L + forbidden.Count) > NatsSubjects.MaxSubjects
            && permitted.Sum(permit => (permit.HasWildcard ? 1 : 0) + forbidden.Count(permit.Overlaps)) > NatsSubjects.MaxSubjects;
    }

    // At least as many as its permit or forbid names.
    private static int MostSubjectsOf(Capability capability) => NatsJetStream.StreamBehind(capability) is null ? 1 : 32;
}

/// <summary>A clause on NATS, and which of two policies says so.</summary>
internal sealed record Statement(PolicyClause Clause, bool IsBefore, bool IsAfter)
{
    private IReadOnlyList<LoginSubject>? _subjects;

    public bool IsChanged => IsBefore != IsAfter;

    public bool Permits => Clause.Effect == RuleEffect.Permit;

    /// <summary>A forbid that may be of somebody's inbox.</summary>
    public bool IsOfInbox => !Permits && Clause.Capability is Capability.NatsSubscribe forbid && forbid.Subject.Overlaps(NatsSubjects.Inboxes);

    /// <summary>
    /// True of a forbid of one identity's inbox, as nobody knows from its name alone whose it is: it may be that of somebody who is compared.
    /// </summary>
    /// <param name="id">The path of the one who is, or null.</param>
    public bool MayNameInboxOf(string? id)
    {
        if (!IsOfInbox) return false;
        var tokens = ((Capability.NatsSubscribe)Clause.Capability).Subject.Text.Split('.');
        return tokens is [_, { Length: 32 } name, ..] && name.All(char.IsAsciiHexDigitLower)
            && (id is null || NatsPermissions.InboxPrefixOf(Spiffe.Net.SpiffeId.Parse("spiffe://" + id)) == "_INBOX." + name);
    }

    /// <summary>What it permits, or forbids.</summary>
    public IReadOnlyList<LoginSubject> Subjects => _subjects ??= Clause.Capability switch
    {
        Capability.NatsSubscribe subscribe => Permits && subscribe.WhyNotGrantable() is not null ? [] : [new LoginSubject(false, new NatsSubscription(subscribe.Subject, subscribe.Queue))],
        var capability => [.. (Permits ? NatsSubjects.PublishedUnder(capability) : NatsSubjects.ForbiddenUnder(capability)).Select(subject => new LoginSubject(true, new NatsSubscription(subject, null)))],
    };

    /// <summary>Of a forbid.</summary>
    public bool Forbids(LoginSubject subject)
    {
        foreach (var mine in Subjects)
        {
            if (mine.Publishes == subject.Publishes && mine.What.Covers(subject.What)) return true;
        }

        return false;
    }
}

internal readonly record struct LoginSubject(bool Publishes, NatsSubscription What);

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
    /// Whether a login can say anything else of the family than single decisions: by a star that is left out, by a forbid of a queue group that is one of all, by any forbid on JetStream, or on
    /// older nats-servers by a forbid of a part of a permit, both with wildcards.
    /// </summary>
    public bool MayDiffer(IEnumerable<Audience> audiences, WorkBudget work)
    {
        var (isPermitted, isOdd) = (false, false);
        var (permits, forbids) = (new List<NatsSubject>(), new List<NatsSubject>());
        foreach (var audience in audiences)
        {
            foreach (var statement in audience.Statements)
            {
                if (!Has(statement)) continue;
                isPermitted |= statement.Permits;
                isOdd |= IsOdd(statement);
                if (statement.Clause.Capability is Capability.NatsSubscribe { Subject: { HasWildcard: true } subject }) (statement.Permits ? permits : forbids).Add(subject);
            }
        }

        if (isOdd || !isPermitted) return isPermitted;
        work.Take((long)permits.Count * forbids.Count / 8);
        return permits.Exists(permit => forbids.Exists(forbid => forbid.Overlaps(permit) && !forbid.Covers(permit)));
    }

    private static bool IsOdd(Statement statement) => (statement.Permits, statement.Clause.Capability) switch
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
