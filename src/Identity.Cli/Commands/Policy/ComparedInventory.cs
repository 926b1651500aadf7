using System.Collections.Immutable;
using Identity.Policy;
using Identity.V1;
using Principal = Identity.Policy.Principal;

namespace Identity.Cli.Commands.Policy;

/// <summary>Whom a difference is counted among.</summary>
/// <param name="Registered">Who has an entry, each as far as the entry tells.</param>
/// <param name="Others">What runs, and what may.</param>
/// <param name="NotCounted">Who may be concerned and is not among them; a sentence each.</param>
internal sealed record ComparedInventory(ImmutableArray<Principal> Registered, ImmutableArray<InventoryGroup> Others, ImmutableArray<string> NotCounted)
{
    private const string HeldDoor = "wasmcloud-policy-service";

    /// <summary>Where no server is asked.</summary>
    public static ComparedInventory OfFiles(ImmutableArray<Principal> registered) =>
        new(registered, [], ["Not counted: what runs, and what wasmCloud doors let through; a server knows that (--server, or a revision in place of a file)."]);

    /// <param name="keys">Those that either policy names.</param>
    public static ComparedInventory OfServer(ImmutableArray<Principal> registered, IEnumerable<LiveAdmission> running, IReadOnlyList<LetThrough> letThrough, ImmutableArray<SignerName> keys)
    {
        var components = running.Select(admission => new InventoryMember($"{admission.SpiffeId} on {admission.HostSpiffeId}", [ServerInventory.PrincipalOf(admission, keys)], 1));
        var doors = letThrough.Where(alike => alike.Principals.Count > 0).GroupBy(alike => (alike.Door, alike.Proven)).Select(door => OfDoor(door.Key.Door, door.Key.Proven, door));
        return new(
            registered,
            [.. ((InventoryGroup[])[new("running component", "running components", InventoryGroup.Running, [.. components]), .. doors]).Where(group => !group.Members.IsEmpty)],
            [
                .. letThrough.Where(alike => alike.Principals.Count == 0)
                    .Select(alike => $"Not counted: {Answer.Count((long)alike.Count, "workload")} that {alike.Door} may have let through and of which nobody here knows what {(alike.Count == 1 ? "it" : "they")} asked for, such as {alike.Example}."),
            ]);
    }

    // A v1 host asks about one component or provider at a time, and then holds the answer.
    private static InventoryGroup OfDoor(string door, bool isProven, IEnumerable<LetThrough> alike)
    {
        var isHeld = door == HeldDoor;
        var what = $"{(isHeld ? $"which hosts hold a yes of {door} for" : $"that {door} let through")}{(isProven ? "" : ", where nobody is proven,")}";
        return new(
            isHeld ? $"component or provider {what}" : $"workload {what}",
            isHeld ? $"components and providers {what}" : $"workloads {what}",
            InventoryGroup.LetThrough,
            [
                .. isHeld
                    ? alike.GroupBy(one => one.Example, StringComparer.Ordinal).Select(same => new InventoryMember(same.Key, [.. same.SelectMany(PrincipalsOf)], 1))
                    : alike.Select(one => new InventoryMember(one.Example, [.. PrincipalsOf(one)], (long)one.Count)),
            ]);

        static IEnumerable<Principal> PrincipalsOf(LetThrough one) => one.Principals.Select(ServerInventory.PrincipalOf);
    }
}

/// <summary>Those that are told of in one sentence.</summary>
/// <param name="One">What one of them is called.</param>
/// <param name="Label">What they are called beside a change.</param>
internal sealed record InventoryGroup(string One, string Many, string Label, ImmutableArray<InventoryMember> Members)
{
    public const string Running = "running";
    public const string LetThrough = "let through";
}

/// <param name="Name">As a person reads it.</param>
/// <param name="Principals">Whom policy is asked about: a workload has several components.</param>
/// <param name="Count">How many are alike.</param>
internal sealed record InventoryMember(string Name, ImmutableArray<Principal> Principals, long Count);
