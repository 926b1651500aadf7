using System.Collections.Immutable;
using Identity.Policy;
using Identity.Policy.Analysis;

namespace Identity.Cli.Commands.Policy;

/// <summary>Whom a difference concerns: of those who are registered, and of what runs or may.</summary>
internal sealed class InventoryImpact(PolicyDiff diff, CapabilityPolicy before, CapabilityPolicy after, ComparedInventory inventory)
{
    public RegisteredImpact Registered { get; } = new(diff, inventory.Registered);

    public ImmutableArray<GroupImpact> Others { get; } = [.. inventory.Others.Select(group => new GroupImpact(diff, before, after, group))];

    public ImmutableArray<string> NotCounted => inventory.NotCounted;

    /// <summary>Sentences for a person.</summary>
    public IEnumerable<string> Summary() => Registered.Summary().Concat(Others.SelectMany(group => group.Summary())).Concat(NotCounted);
}
