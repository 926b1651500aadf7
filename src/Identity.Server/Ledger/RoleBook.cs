using System.Collections.Immutable;
using Identity.Policy;

namespace Identity.Server.Ledger;

/// <summary>The PolicyRole documents in force, read. Immutable.</summary>
internal sealed class RoleBook
{
    private readonly ImmutableSortedDictionary<string, (AppliedPolicy Document, PolicyRole? Role)> _roles;
    private readonly ImmutableHashSet<PolicyPerson> _people;

    private RoleBook(ImmutableSortedDictionary<string, (AppliedPolicy Document, PolicyRole? Role)> roles)
    {
        _roles = roles;
        _people = [.. roles.Values.SelectMany(role => role.Role?.Members ?? [])];
        Unreadable = roles.Where(role => role.Value.Role is null).Select(role => role.Key).FirstOrDefault();
    }

    public static RoleBook Empty { get; } = new(ImmutableSortedDictionary.Create<string, (AppliedPolicy, PolicyRole?)>(StringComparer.Ordinal));

    /// <summary>By name in ordinal order.</summary>
    public IEnumerable<AppliedPolicy> Documents => _roles.Values.Select(role => role.Document);

    public int Count => _roles.Count;

    /// <summary>A role that this version cannot read: nobody knows whom it binds. Null when all can be read.</summary>
    public string? Unreadable { get; }

    /// <summary>Whom any role names.</summary>
    public IReadOnlyCollection<PolicyPerson> People => _people;

    /// <summary>Whether any role names this person.</summary>
    public bool Names(PolicyPerson person) => _people.Contains(person);

    /// <summary>Whether any role names a user of this machine by uid.</summary>
    public bool NamesUnixUsers => _people.Any(person => person.Uid is not null);

    public IEnumerable<PolicyRole> Of(PolicyPerson person) => _roles.Values.Select(role => role.Role).OfType<PolicyRole>().Where(role => role.Names(person));

    public AppliedPolicy? Find(string name) => _roles.TryGetValue(name, out var role) ? role.Document : null;

    /// <summary>Null when there is none of this name, and when it cannot be read.</summary>
    public PolicyRole? Read(string name) => _roles.GetValueOrDefault(name).Role;

    public RoleBook Set(AppliedPolicy document) =>
        new(_roles.SetItem(document.Name, (document, PolicyRole.TryParse(document.Text, out var role, out _, isStored: true) && role.Name == document.Name ? role : null)));

    public RoleBook Remove(string name) => new(_roles.Remove(name));
}
