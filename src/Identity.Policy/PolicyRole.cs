using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Identity.Policy.Documents;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>
/// One <c>kind: PolicyRole</c> document: who may change which policies, about whom, and how many others must agree. A role gives nothing that it
/// does not name.
/// </summary>
public sealed record PolicyRole
{
    public required string Name { get; init; }

    /// <summary>Never empty; any of them.</summary>
    public required ImmutableArray<PolicyPerson> Members { get; init; }

    /// <summary>Never empty; any of them.</summary>
    public required ImmutableArray<PolicyNamePattern> Policies { get; init; }

    /// <summary>Whom the rules may mean. Empty exactly when <see cref="AnySubject"/>.</summary>
    public required ImmutableArray<PolicySubject> Subjects { get; init; }

    /// <summary>The document said <c>subjects: any</c>.</summary>
    public bool AnySubject { get; init; }

    /// <summary>The labels that its members may assign; none unless named, for a label carries what the rules of others give to it.</summary>
    public ImmutableArray<string> Labels { get; init; } = [];

    /// <summary>How many other people must approve a change by a member that widens authority.</summary>
    public int Approvals { get; init; }

    /// <summary>The text it was read from, comments included.</summary>
    public required string Source { get; init; }

    /// <param name="problems">The problems found, in the order of the text; empty exactly when the document was read.</param>
    /// <param name="isStored">As of <see cref="ManifestReader.TryRead"/>.</param>
    public static bool TryParse(string source, [NotNullWhen(true)] out PolicyRole? role, out IReadOnlyList<PolicyProblem> problems, bool isStored = false)
    {
        role = null;
        if (ManifestReader.TryRead(source, out var manifest, out problems, isStored))
        {
            if (manifest is { Roles: [var only], Policies.IsEmpty: true, Entries.IsEmpty: true }) role = only;
            else problems = [new PolicyProblem(1, 1, $"expected one document of kind {RoleBinder.Kind} and no other; leave the others out, or send each by itself")];
        }

        return role is not null;
    }

    /// <summary>Whether the role names this person.</summary>
    public bool Names(PolicyPerson person) => Members.Contains(person);

    /// <summary>Whether the role is about policies of this name.</summary>
    public bool CoversName(string policy) => Policies.Any(pattern => pattern.Matches(policy));

    /// <summary>Whether members may write this whole document: its name, every subject of every rule of it, and every label it gives.</summary>
    /// <param name="problem">The first thing that is outside the role; null when nothing is.</param>
    public bool Covers(PolicyDocument document, [NotNullWhen(false)] out string? problem)
    {
        problem = CoversName(document.Name) ? null : $"the role {Name} is not about policies named {Quoted.From(document.Name)}";
        if (problem is null && document.Rules.FirstOrDefault(rule => !rule.Subjects.All(subject => CoversSubject(subject, rule.Effect))) is { } outside)
            problem = $"rule {Quoted.From(outside.Name)} of policy {Quoted.From(document.Name)} means a subject that the role {Name} does not cover";
        if (problem is null && document.Labels.FirstOrDefault(label => !Labels.Contains(label.Name)) is { } unnamed)
            problem = $"the role {Name} does not let its members assign the label {Quoted.From(unnamed.Name)}";
        // A label brings what the forbids of others say too.
        if (problem is null && document.Labels.FirstOrDefault(label => !label.Subjects.All(subject => CoversSubject(subject, RuleEffect.Forbid))) is { } given)
            problem = $"policy {Quoted.From(document.Name)} gives the label {Quoted.From(given.Name)} to a subject that the role {Name} does not cover by its SPIFFE ID";
        return problem is null;
    }

    /// <summary>
    /// Whether whoever the subject means is meant by one of <see cref="Subjects"/> too. A subject states all its attributes at once, so more attributes mean
    /// fewer; one that leaves out what the role states may mean somebody outside. A forbid also means those of whom a door cannot tell an attribute, so
    /// only bounds by SPIFFE ID, which every door knows, hold a forbid in.
    /// </summary>
    public bool CoversSubject(PolicySubject subject, RuleEffect effect) =>
        AnySubject || Subjects.Any(bound => (effect == RuleEffect.Permit || IsById(bound)) && Covers(bound, subject));

    private static bool IsById(PolicySubject bound) =>
        bound == new PolicySubject { SpiffeId = bound.SpiffeId, SpiffeIdPrefix = bound.SpiffeIdPrefix };

    private static bool Covers(PolicySubject bound, PolicySubject subject) =>
        Within(bound.SpiffeId, bound.SpiffeIdPrefix, subject.SpiffeId, subject.SpiffeIdPrefix)
        && Within(bound.Host, bound.HostPrefix, subject.Host, subject.HostPrefix)
        && Within(bound.Digest, subject.Digest)
        && Within(bound.Signer, subject.Signer)
        && Within(bound.Namespace, subject.Namespace)
        && Within(bound.Lattice, subject.Lattice)
        && (bound.Image is null || (subject.Image is { } image && bound.Image.Covers(image)))
        && (bound.ImagePrefix is null
            || (subject.Image is { } pinned && bound.ImagePrefix.Covers(pinned)) || (subject.ImagePrefix is { } prefix && bound.ImagePrefix.Covers(prefix)))
        && bound.Labels.All(label => subject.Labels.TryGetValue(label.Key, out var value) && value == label.Value);

    private static bool Within<T>(T? bound, T? stated) where T : class => bound is null || bound.Equals(stated);

    private static bool Within(SpiffeId? boundId, SpiffeIdPrefix? boundPrefix, SpiffeId? id, SpiffeIdPrefix? prefix) =>
        Within(boundId, id)
        && (boundPrefix is null || (id is not null && boundPrefix.Covers(id)) || (prefix is not null && boundPrefix.Covers(prefix)));
}

/// <summary>Someone who changes policy: a user of the server's machine, <c>unix:&lt;uid&gt;</c>, or whoever shows an SVID of this SPIFFE ID.</summary>
public sealed record PolicyPerson
{
    private const string Unix = "unix:";

    private PolicyPerson(string text) => Text = text;

    /// <summary>One spelling for each person.</summary>
    public string Text { get; }

    public static PolicyPerson Of(uint uid) => new(FormattableString.Invariant($"{Unix}{uid}"));

    public static PolicyPerson Of(SpiffeId id) => new(id.ToString());

    public static bool TryParse(string? text, [NotNullWhen(true)] out PolicyPerson? person, [NotNullWhen(false)] out string? problem)
    {
        person = null;
        text ??= "";
        problem = null;
        if (text.StartsWith(Unix, StringComparison.Ordinal))
        {
            // 2^32-1 is no user: chown(2) and the kernel use it for "none".
            if (uint.TryParse(text.AsSpan(Unix.Length), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var uid)
                && uid != uint.MaxValue && Of(uid) is var known && known.Text == text)
            {
                person = known;
            }
        }
        else if (SpiffeId.TryParse(text, out var id, out _) && id.HasPath)
        {
            person = Of(id);
        }

        if (person is null) problem = $"{Quoted.From(text)} is nobody; expected unix:<uid>, such as unix:1000, or the SPIFFE ID of one workload";
        return person is not null;
    }

    /// <summary>The user id; null for a SPIFFE ID.</summary>
    public uint? Uid => Text.StartsWith(Unix, StringComparison.Ordinal) ? uint.Parse(Text.AsSpan(Unix.Length), System.Globalization.CultureInfo.InvariantCulture) : null;

    public override string ToString() => Text;
}

/// <summary>
/// Policies by name: exactly one, or <c>shop.*</c> for every name below <c>shop.</c> (whole segments between dots: not <c>shop</c> itself, not
/// <c>shop2.x</c>), or <c>*</c> for all.
/// </summary>
public sealed record PolicyNamePattern
{
    private PolicyNamePattern(string text) => Text = text;

    public string Text { get; }

    public static bool TryParse(string? text, [NotNullWhen(true)] out PolicyNamePattern? pattern, [NotNullWhen(false)] out string? problem)
    {
        pattern = null;
        problem = null;
        text ??= "";
        var name = text.EndsWith(".*", StringComparison.Ordinal) ? text[..^2] : text;
        if (text == "*" || (Quantities.TryParseName(name, out _, out problem) && !name.EndsWith('.'))) pattern = new PolicyNamePattern(text);
        else problem = $"{Quoted.From(text)} names no policies; expected a name such as shop, a prefix of whole segments such as shop.*, or * for all";
        return pattern is not null;
    }

    public bool Matches(string name) => Text switch
    {
        "*" => true,
        [.., '.', '*'] => name.Length > Text.Length - 1 && name.AsSpan().StartsWith(Text.AsSpan(0, Text.Length - 1), StringComparison.Ordinal),
        _ => name == Text,
    };

    public override string ToString() => Text;
}
