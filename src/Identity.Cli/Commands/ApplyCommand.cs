using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.V1;
using Spire.Api.Server.Entry.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity apply -f …</c>: makes the server's policies and entries what the files say. What is already so is left alone.</summary>
internal static class ApplyCommand
{
    public static Command Create()
    {
        var files = ManifestFiles.Option();
        var reason = new Option<string>("--reason") { Description = "Why, for the ledger", DefaultValueFactory = _ => "" };
        var expected = new Option<ulong>("--expected-revision") { Description = "Refuse when the server's ledger is not at this revision", DefaultValueFactory = _ => 0 };
        var dryRun = new Option<bool>("--dry-run") { Description = "Check the files and send nothing" };
        var command = new Command("apply", "Apply policies and registration entries from files") { files, reason, expected, dryRun };
        command.SetAction(async (parsed, cancellation) =>
        {
            var manifest = ManifestFiles.Read(parsed.GetValue(files)!);
            var changes = new List<(string Kind, string Name, string Outcome)>();
            if (parsed.GetValue(dryRun))
            {
                changes.AddRange(manifest.Entries.Select(entry => ("RegistrationEntry", entry.SpiffeId.ToString(), "valid")));
                changes.AddRange(manifest.Policies.Select(policy => ("CapabilityPolicy", policy.Name, "valid")));
                return Print(parsed, 0, changes);
            }
            using var channel = AdminConnection.Open(parsed);
            ulong revision = 0;
            // Policies first: an entry that nothing governs yet gets nothing, so the order never widens what anyone may do.
            if (manifest.Policies.Length > 0)
            {
                var request = new ApplyPoliciesRequest { ExpectedRevision = parsed.GetValue(expected), Reason = parsed.GetValue(reason) };
                request.Documents.AddRange(manifest.Policies.Select(policy => new PolicySource { Text = policy.Source }));
                var applied = await new PolicyAdmin.PolicyAdminClient(channel).ApplyPoliciesAsync(request, cancellationToken: cancellation);
                revision = applied.Revision;
                changes.AddRange(applied.Changes.Select(change => ("CapabilityPolicy", change.Name, Outcome(change.Kind))));
            }
            if (manifest.Entries.Length > 0)
                changes.AddRange(await ApplyEntriesAsync(new Entry.EntryClient(channel), [.. manifest.Entries.Select(EntryText.ToWire)], cancellation));
            return Print(parsed, revision, changes);
        });
        return command;
    }

    internal static string Outcome(PolicyChange.Types.Kind kind) => kind switch
    {
        PolicyChange.Types.Kind.Created => "created",
        PolicyChange.Types.Kind.Updated => "updated",
        PolicyChange.Types.Kind.Unchanged => "unchanged",
        PolicyChange.Types.Kind.Deleted => "deleted",
        _ => "unknown",
    };

    internal static int Print(ParseResult parsed, ulong revision, List<(string Kind, string Name, string Outcome)> changes)
    {
        var list = new ListValue();
        foreach (var (kind, name, outcome) in changes)
        {
            list.Values.Add(Value.ForStruct(new Struct
            {
                Fields = { ["kind"] = Value.ForString(kind), ["name"] = Value.ForString(name), ["outcome"] = Value.ForString(outcome) },
            }));
        }
        var message = new Struct { Fields = { ["changes"] = new Value { ListValue = list } } };
        if (revision > 0)
            message.Fields["revision"] = Value.ForNumber(revision);
        return Answer.Print(parsed, message, output =>
        {
            foreach (var (kind, name, outcome) in changes)
                output.WriteLine($"{kind} {name} {outcome}");
        });
    }

    private static async Task<List<(string, string, string)>> ApplyEntriesAsync(
        Entry.EntryClient client, List<Spire.Api.Types.Entry> wanted, CancellationToken cancellation)
    {
        var present = await EntryCommand.AllAsync(client, cancellation);
        var create = new BatchCreateEntryRequest();
        var update = new BatchUpdateEntryRequest();
        var outcomes = new List<(string, string, string)>();
        foreach (var entry in wanted)
        {
            var same = present.Where(known => known.SpiffeId.Equals(entry.SpiffeId) && known.ParentId.Equals(entry.ParentId)).ToArray();
            if (same.Any(known => EntryText.SameContent(known, entry)))
            {
                outcomes.Add(("RegistrationEntry", EntryText.Of(entry.SpiffeId), "unchanged"));
            }
            else if (same is [var only])
            {
                entry.Id = only.Id;
                update.Entries.Add(entry);
            }
            else
            {
                create.Entries.Add(entry);
            }
        }
        if (create.Entries.Count > 0)
        {
            var response = await client.BatchCreateEntryAsync(create, cancellationToken: cancellation);
            outcomes.AddRange(Outcomes(create.Entries, [.. response.Results.Select(result => result.Status)], "created"));
        }
        if (update.Entries.Count > 0)
        {
            var response = await client.BatchUpdateEntryAsync(update, cancellationToken: cancellation);
            outcomes.AddRange(Outcomes(update.Entries, [.. response.Results.Select(result => result.Status)], "updated"));
        }
        return outcomes;
    }

    internal static IEnumerable<(string, string, string)> Outcomes(IList<Spire.Api.Types.Entry> entries, Spire.Api.Types.Status[] statuses, string done)
    {
        for (var i = 0; i < entries.Count; i++)
        {
            if (statuses[i] is { Code: not 0 } refused)
                throw new RpcException(new Grpc.Core.Status((StatusCode)refused.Code, $"{EntryText.Of(entries[i])}: {refused.Message}"));
        }
        return entries.Select(entry => ("RegistrationEntry", EntryText.Of(entry.SpiffeId), done));
    }
}
