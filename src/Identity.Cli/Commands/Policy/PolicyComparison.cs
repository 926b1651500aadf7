using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Grpc.Core;
using Identity.Policy;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary>Two policies to be compared, and whom the change would concern.</summary>
internal sealed record PolicyComparison(CapabilityPolicy Before, CapabilityPolicy After, ImmutableArray<Principal> Inventory)
{
    public static async Task<PolicyComparison> ReadAsync(ParseResult parsed, string[] named, bool withServer, CancellationToken cancellation)
    {
        if (withServer)
        {
            using var channel = AdminConnection.Open(parsed);
            return await WithServerAsync(channel, named, cancellation);
        }

        if (named is not [var before, var after])
            throw new UsageException("`identity policy diff` compares two files, folders or revisions, the older first (or --server with the files to be applied).");
        if (RevisionOf(before) is null && RevisionOf(after) is null) return Between(OfFile(before), OfFile(after), []);

        using var server = AdminConnection.Open(parsed);
        return Between(await OfAsync(server, before, cancellation), await OfAsync(server, after, cancellation), await RegisteredAsync(server, cancellation));
    }

    private static PolicyComparison Between(Side before, Side after, IEnumerable<Principal> registered) =>
        new(before.Policy, after.Policy, Distinct(before.Inventory.Concat(after.Inventory).Concat(registered)));

    // Applying a document replaces the one of its name and leaves the others.
    private static async Task<PolicyComparison> WithServerAsync(ChannelBase channel, string[] paths, CancellationToken cancellation)
    {
        var manifest = ManifestFiles.ReadToLook(paths);
        if (manifest.Policies.IsEmpty) throw new UsageException($"{string.Join(", ", paths)} holds no policy to compare.");
        var inForce = await new PolicyAdmin.PolicyAdminClient(channel).ListPoliciesAsync(new(), cancellationToken: cancellation);
        var names = manifest.Policies.Select(policy => policy.Name).ToHashSet(StringComparer.Ordinal);
        var kept = inForce.Policies.Where(policy => !names.Contains(policy.Name)).Select(policy => policy.Text);
        return new(
            Compile(inForce.Policies.Select(policy => policy.Text), "the policies in force"),
            Compile([.. kept, .. manifest.Policies.Select(policy => policy.Source)], "the policies that would be in force"),
            Distinct(PolicyFiles.InventoryOf(manifest.Entries).Concat(await RegisteredAsync(channel, cancellation))));
    }

    private static async Task<Side> OfAsync(ChannelBase channel, string named, CancellationToken cancellation)
    {
        if (RevisionOf(named) is not { } revision) return OfFile(named);
        var then = await new PolicyAdmin.PolicyAdminClient(channel).GetPoliciesAsync(new() { AtRevision = revision }, cancellationToken: cancellation);
        return new(Compile(then.Policies.Select(policy => policy.Text), $"the policies of revision {revision}"), []);
    }

    private static Side OfFile(string path)
    {
        var manifest = ManifestFiles.ReadToLook([path]);
        return new(PolicyFiles.PolicyOf(manifest), PolicyFiles.InventoryOf(manifest.Entries));
    }

    /// <summary>Everybody who is registered at the server, each as far as its entry tells.</summary>
    public static async Task<IEnumerable<Principal>> RegisteredAsync(ChannelBase channel, CancellationToken cancellation) =>
        (await EntryCommand.AllAsync(new(channel), cancellation))
            .Select(entry => PolicyFiles.Registered(EntryText.Of(entry.SpiffeId), EntryText.Of(entry.ParentId), [.. entry.Selectors.Select(selector => $"{selector.Type}:{selector.Value}")]));

    // A policy that cannot be read denies everything; compared with it anything would look like a gain or a loss of all there is.
    private static CapabilityPolicy Compile(IEnumerable<string> sources, string what)
    {
        var policy = CapabilityPolicy.FromSources(sources, 0);
        return policy.Unreadable is { } why ? throw new RefusedException($"{what} cannot be compared: {why}") : policy;
    }

    // A number is a revision, unless a file is called so.
    private static ulong? RevisionOf(string named) =>
        ulong.TryParse(named, NumberStyles.None, CultureInfo.InvariantCulture, out var revision) && revision > 0 && !Path.Exists(named) ? revision : null;

    private static ImmutableArray<Principal> Distinct(IEnumerable<Principal> principals) => [.. principals.Distinct(PolicyFiles.SamePrincipal)];

    private sealed record Side(CapabilityPolicy Policy, ImmutableArray<Principal> Inventory);
}
