using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Grpc.Core;
using Identity.Policy;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary>Two policies to be compared, and whom the change would concern.</summary>
/// <param name="Notes">What was compared with what where that is a choice, and what is no part of it; a sentence each.</param>
internal sealed record PolicyComparison(CapabilityPolicy Before, CapabilityPolicy After, ComparedInventory Inventory, ImmutableArray<string> Notes)
{
    private const int MaxNamed = 5;

    /// <param name="isWhole">Files are all of the policy; otherwise what applying them to the other side would make of it.</param>
    public static async Task<PolicyComparison> ReadAsync(ParseResult parsed, string[] named, bool withServer, bool isWhole, CancellationToken cancellation)
    {
        if (withServer)
        {
            using var channel = AdminConnection.Open(parsed);
            return await WithFilesAsync(channel, revision: 0, "the policies in force", named, isWhole, cancellation);
        }

        if (named is not [var before, var after])
            throw new UsageException("`identity policy diff` compares two files, folders or revisions, the older first (or --server with the files to be applied).");
        switch (RevisionOf(before), RevisionOf(after))
        {
            case (null, null):
                var (left, right) = (ManifestFiles.ReadToLook([before]), ManifestFiles.ReadToLook([after]));
                return new(PolicyFiles.PolicyOf(left), PolicyFiles.PolicyOf(right), ComparedInventory.OfFiles(Distinct(PolicyFiles.InventoryOf(left.Entries.Concat(right.Entries)))), []);
            case ({ } from, { } to):
                using (var channel = AdminConnection.Open(parsed)) return await BetweenAsync(channel, from, to, cancellation);
            case var (from, to):
                using (var channel = AdminConnection.Open(parsed))
                {
                    var revision = from ?? to!.Value;
                    var laidOver = await WithFilesAsync(channel, revision, $"revision {revision}", [from is null ? before : after], isWhole, cancellation);
                    return from is null ? laidOver with { Before = laidOver.After, After = laidOver.Before } : laidOver;
                }
        }
    }

    private static async Task<PolicyComparison> BetweenAsync(ChannelBase channel, ulong from, ulong to, CancellationToken cancellation)
    {
        var client = new PolicyAdmin.PolicyAdminClient(channel);
        var (left, right) = (await client.GetPoliciesAsync(new() { AtRevision = from }, cancellationToken: cancellation), await client.GetPoliciesAsync(new() { AtRevision = to }, cancellationToken: cancellation));
        var (had, has) = (await client.ListRolesAsync(new() { AtRevision = from }, cancellationToken: cancellation), await client.ListRolesAsync(new() { AtRevision = to }, cancellationToken: cancellation));
        var roles = Texts(had).Except(Texts(has)).Concat(Texts(has).Except(Texts(had))).Select(role => role.Name).Distinct().Order(StringComparer.Ordinal).ToArray();
        var (before, after) = (
            Compile(left.Policies.Select(policy => policy.Text), $"the policies of revision {from}"), Compile(right.Policies.Select(policy => policy.Text), $"the policies of revision {to}"));
        return new(
            before,
            after,
            await InventoryAsync(channel, [], before, after, cancellation),
            roles.Length == 0 ? [] : [$"{Some("role", roles)} changed between the two: who may change policy is no part of what policy allows (`identity policy roles --at {to}`)"]);
    }

    private static async Task<PolicyComparison> WithFilesAsync(ChannelBase channel, ulong revision, string what, string[] paths, bool isWhole, CancellationToken cancellation)
    {
        var manifest = ManifestFiles.ReadToLook(paths);
        var files = string.Join(", ", paths);
        if (manifest.Policies.IsEmpty && !isWhole) throw new UsageException($"{files} holds no policy to compare.");
        var there = await new PolicyAdmin.PolicyAdminClient(channel).GetPoliciesAsync(new() { AtRevision = revision }, cancellationToken: cancellation);
        var others = Others(there, manifest);
        var before = Compile(there.Policies.Select(policy => policy.Text), revision == 0 ? what : $"the policies of {what}");
        var after = isWhole ? PolicyFiles.PolicyOf(manifest) : LaidOver(there, manifest);
        return new(
            before,
            after,
            await InventoryAsync(channel, manifest.Entries, before, after, cancellation),
            others.Length == 0 ? []
            : isWhole ? [$"{Some("policy", others)} of {what}, which {files} does not have, {(others.Length == 1 ? "counts" : "count")} as removed"]
            : revision == 0 ? []
            : [$"{what} is compared with what applying {files} to it would make: {Some("policy", others)} {(others.Length == 1 ? "stays" : "stay")} (--whole takes the files for all of the policy)"]);
    }

    /// <summary>What applying the files to these would make: a document replaces the one of its name and leaves the others.</summary>
    public static CapabilityPolicy LaidOver(ListPoliciesResponse there, Manifest manifest)
    {
        var others = Others(there, manifest).ToHashSet(StringComparer.Ordinal);
        return Compile(
            [.. there.Policies.Where(policy => others.Contains(policy.Name)).Select(policy => policy.Text), .. manifest.Policies.Select(policy => policy.Source)],
            "the policies that would be in force");
    }

    // In the order of the server, which is that of their names.
    private static string[] Others(ListPoliciesResponse there, Manifest manifest) =>
        [.. there.Policies.Select(policy => policy.Name).Except(manifest.Policies.Select(policy => policy.Name), StringComparer.Ordinal)];

    private static IEnumerable<(string Name, string Text)> Texts(ListPoliciesResponse roles) => roles.Policies.Select(role => (role.Name, role.Text));

    private static string Some(string what, string[] names) =>
        $"{(names.Length == 1 ? what : what == "policy" ? "policies" : what + "s")} {string.Join(", ", names.Take(MaxNamed))}{(names.Length > MaxNamed ? $" and {names.Length - MaxNamed} more" : "")}";

    /// <summary>Everybody who is registered at the server or in files, each as far as the entry tells, what runs there, and what its doors let through.</summary>
    private static async Task<ComparedInventory> InventoryAsync(ChannelBase channel, IEnumerable<RegistrationEntryDocument> entries, CapabilityPolicy before, CapabilityPolicy after, CancellationToken cancellation) =>
        ComparedInventory.OfServer(
            Distinct(PolicyFiles.InventoryOf(entries.Concat(await ServerInventory.EntriesAsync(channel, cancellation)))),
            await ServerInventory.RunningAsync(channel, cancellation),
            await ServerInventory.LetThroughAsync(channel, cancellation),
            [.. before.SignerKeys.Union(after.SignerKeys)]);

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
}
