using System.CommandLine;
using Identity.V1;
using Spire.Api.Server.Entry.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity delete -f …</c>: takes away what the files name. Entries are known by SPIFFE ID, parent and selectors.</summary>
internal static class DeleteCommand
{
    public static Command Create()
    {
        var files = ManifestFiles.Option();
        var reason = ReasonOption.Create();
        var ignoreMissing = new Option<bool>("--ignore-missing") { Description = "What is already gone is no error" };
        var command = new Command("delete", "Delete the policies, roles and registration entries that files name") { files, reason, ignoreMissing };
        command.SetAction(async (parsed, cancellation) =>
        {
            var manifest = ManifestFiles.Read(parsed.GetValue(files)!);
            using var channel = AdminConnection.Open(parsed);
            var entries = new Entry.EntryClient(channel);
            var policies = new PolicyAdmin.PolicyAdminClient(channel);
            var present = manifest.Entries.Length > 0 ? await EntryCommand.AllAsync(entries, cancellation) : [];
            var doomed = manifest.Entries.Select(EntryText.ToWire)
                .Select(wanted => (Wanted: wanted, Known: present.FirstOrDefault(known => EntryText.SameKey(known, wanted)))).ToArray();
            var applied = manifest.Policies.Length > 0
                ? (await policies.ListPoliciesAsync(new(), cancellationToken: cancellation)).Policies.Select(policy => policy.Name).ToHashSet() : [];
            var names = manifest.Policies.Select(policy => policy.Name).ToArray();

            var roles = manifest.Roles.Length > 0
                ? (await policies.ListRolesAsync(new(), cancellationToken: cancellation)).Policies.Select(role => role.Name).ToHashSet() : [];
            var roleNames = manifest.Roles.Select(role => role.Name).ToArray();

            var missing = doomed.Where(entry => entry.Known is null).Select(entry => $"entry {EntryText.Of(entry.Wanted)}")
                .Concat(names.Where(name => !applied.Contains(name)).Select(name => $"policy {name}"))
                .Concat(roleNames.Where(name => !roles.Contains(name)).Select(name => $"role {name}")).ToArray();
            if (missing.Length > 0 && !parsed.GetValue(ignoreMissing))
                throw new Grpc.Core.RpcException(new(Grpc.Core.StatusCode.NotFound, $"nothing was deleted; the server has no {string.Join(", no ", missing)}"));

            var changes = new List<(string, string, string)>();
            ulong revision = 0;
            IReadOnlyList<string> notes = [];
            if (names.Count(applied.Contains) + roleNames.Count(roles.Contains) > 0)
            {
                var request = new DeletePoliciesRequest { Reason = ReasonOption.Read(parsed, reason) };
                request.Names.AddRange(names.Where(applied.Contains));
                request.Roles.AddRange(roleNames.Where(roles.Contains));
                var response = await policies.DeletePoliciesAsync(request, cancellationToken: cancellation);
                revision = response.Revision;
                changes.AddRange(ApplyCommand.Lines(response));
                notes = response.Notes;
            }
            if (doomed.Where(entry => entry.Known is not null).Select(entry => entry.Known!).ToArray() is { Length: > 0 } gone)
                changes.AddRange(await EntryPlan.DeleteAsync(entries, gone, cancellation));
            return ApplyCommand.Print(parsed, revision, changes, notes);
        });
        return command;
    }
}
