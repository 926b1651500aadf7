using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

public enum AuthorityChangeKind
{
    /// <summary>Too much work to decide; to be treated as a change.</summary>
    Undecided = 0,

    /// <summary>Something is allowed that was not.</summary>
    Authority,

    /// <summary>What is allowed may consume more.</summary>
    Ceiling,

    /// <summary>nats-server is told more, by all rules about somebody together, than what is gained right by right explains.</summary>
    Login,
}

/// <summary>
/// One part of what is gained: what <see cref="Permit"/> grants, as far as <see cref="Lifted"/> forbade it before (when that is set), without
/// what <see cref="Except"/> mean, until <see cref="Until"/>. All parts together are the whole gain, and nothing else is.
/// </summary>
public sealed record AuthorityChange
{
    public required AuthorityChangeKind Kind { get; init; }

    /// <summary>The permit of the policy that allows more; of a login the clause that only one of the policies has, be it a forbid.</summary>
    public required PolicyClause Permit { get; init; }

    /// <summary>Of a login: what of it changes; null of everything else.</summary>
    public LoginChange? Login { get; init; }

    /// <summary>Of a login: other clauses of either policy that mean everybody whom it concerns.</summary>
    public ImmutableArray<PolicyClause> Beside { get; init; } = [];

    /// <summary>The forbid of the other policy that is gone, or decides nothing any more.</summary>
    public PolicyClause? Lifted { get; init; }

    /// <summary>Of a ceiling: the permit of the other policy that held it down and is gone; null when it rises over what holds by default.</summary>
    public PolicyClause? Held { get; init; }

    /// <summary>Forbids that still hold, and permits that granted the same before; only those that meet the part. Of a login: clauses that mean nobody whom it concerns.</summary>
    public ImmutableArray<PolicyClause> Except { get; init; } = [];

    /// <summary>Of a ceiling: which, and from what to what: <c>memory 16MiB → 64MiB</c>.</summary>
    public string? Ceiling { get; init; }

    internal Limit? Limit { get; init; }

    /// <summary>Null when the permit does not end.</summary>
    public DateTimeOffset? Until => Login is null ? Permit.Expires : null;

    /// <summary>Null exactly when it is undecided.</summary>
    public AuthorityExample? Example { get; init; }

    /// <summary>The rule to look at.</summary>
    public RuleReference Rule => Lifted?.Rule ?? Held?.Rule ?? Permit.Rule;

    /// <summary>Whom it concerns, in one line.</summary>
    public string Who => Login is not null ? SubjectText.OfAll([Permit.Subject, .. Beside.Select(clause => clause.Subject)]) + (Login.IsOfUntoldNames ? " where signers that are no keys cannot be told" : "")
        : Lifted is null ? SubjectText.Of(Permit.Subject) : SubjectText.OfBoth(Permit.Subject, Lifted.Subject);

    /// <summary>What it is about, in one line.</summary>
    public string What => Login is not null ? Login.ToString() : Lifted is null || Lifted.Capability.Covers(Permit.Capability) ? Permit.Capability.ToString()
        : Permit.Capability.Covers(Lifted.Capability) ? Lifted.Capability.ToString()
        : $"{Permit.Capability} within {Lifted.Capability}";

    /// <summary>The regions of the part and what is cut out of them; for asking further.</summary>
    internal ImmutableArray<Region> Regions { get; init; } = [];

    internal ImmutableArray<Region> Cuts { get; init; } = [];

    /// <summary>Of a login: whom it concerns among callers of a kind.</summary>
    internal ImmutableArray<Region> RegionsFor(Caller caller) => Login?.Keyed is { } keyed && caller.IsToldByKeys ? keyed : Regions;

    public override string ToString() => $"{Who}: {What}{(Ceiling is null ? "" : $" ({Ceiling})")}";
}

/// <summary>Subjects that the NATS login of somebody says more of, or less.</summary>
/// <param name="IsWhole">One of the two policies refuses the login whole, because its rules name more subjects than fit.</param>
/// <param name="Subjects">As <c>publish …</c> or <c>subscribe …</c>, each perhaps without others, or <c>answer requests</c>; with <c>_INBOX.…</c> where the identity's own replies arrive. Empty when it is undecided.</param>
public sealed record LoginChange(bool IsWhole, ImmutableArray<string> Subjects)
{
    private const int MostShown = 4;

    /// <summary>It is about callers of whom signers are told only as far as they are keys, as at our own hosts.</summary>
    public bool IsOfUntoldNames { get; init; }

    /// <summary>Only of nats-servers of kind <see cref="NatsServerKind.Older"/>, which are told otherwise of subscriptions than current ones.</summary>
    public bool IsOnOlder { get; init; }

    internal static LoginChange Unknown { get; } = new(false, []);

    internal ImmutableArray<Logins.LoginPart> Parts { get; init; } = [];

    /// <summary>Where callers of whom signers are told only as far as they are keys are not as whom nobody else signed: those of them whom it concerns.</summary>
    internal ImmutableArray<Region>? Keyed { get; init; }

    /// <summary>Of each sort of callers the clauses that mean them, and those that do not.</summary>
    public ImmutableArray<(ImmutableArray<PolicyClause> Inside, ImmutableArray<PolicyClause> Outside)> Rules { get; init; } = [];

    /// <summary>Something that shows it, of one whom it concerns: by the own inbox, where it is about that.</summary>
    internal CapabilityRequest RequestOf(Spiffe.Net.SpiffeId id)
    {
        var inbox = NatsPermissions.InboxPrefixOf(id)["_INBOX.".Length..];
        string[] subject = [.. Parts[0].Example.Select(token => token == Logins.LoginSide.Own ? inbox : token)];
        return Logins.SubjectGroup.RequestOf(subject, isNamed: Parts[0].Within.TokenAt(1) is not null);
    }

    public bool Equals(LoginChange? other) => other is not null && IsWhole == other.IsWhole && IsOnOlder == other.IsOnOlder && Subjects.AsSpan().SequenceEqual(other.Subjects.AsSpan());

    public override int GetHashCode() => HashCode.Combine(IsWhole, Subjects.Length);

    /// <summary>In one line: <c>NATS login: subscribe orders.*</c>.</summary>
    public override string ToString() => Subjects.IsEmpty ? "NATS login"
        : $"NATS login{(IsOnOlder ? $" at {NatsServerKinds.OlderVersions}" : "")}{(IsWhole ? ", refused whole where it names too many subjects" : "")}: {string.Join(", ", Subjects.Take(MostShown))}{(Subjects.Length > MostShown ? $" and {Subjects.Length - MostShown} more" : "")}";
}

/// <summary>A member of an inventory and one change that concerns it.</summary>
/// <param name="Request">Something that this very principal may now do, or no longer.</param>
/// <param name="At">When; now, or later when the difference begins only then.</param>
public sealed record PrincipalImpact(Principal Principal, AuthorityChange Change, CapabilityRequest Request, DateTimeOffset At);

/// <param name="Gained">In the order of the inventory, each principal with every change that concerns it.</param>
public sealed record PolicyImpact(ImmutableArray<PrincipalImpact> Gained, ImmutableArray<PrincipalImpact> Lost);
