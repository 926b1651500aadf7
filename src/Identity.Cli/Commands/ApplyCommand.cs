using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
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
        var expected = new Option<ulong>("--expected-revision") { Description = "Refuse the policies when the server's ledger is not at this revision", DefaultValueFactory = _ => 0 };
        var dryRun = new Option<bool>("--dry-run") { Description = "Check the files and change nothing; of entries also say what would change, when a server answers" };
        var replace = new Option<bool>("--replace") { Description = "Selectors that are new to an identity take the place of those it has, instead of standing beside them" };
        var command = new Command("apply", "Apply policies, roles and registration entries from files") { files, reason, expected, replace, dryRun };
        command.SetAction(async (parsed, cancellation) =>
        {
            var manifest = ManifestFiles.Read(parsed.GetValue(files)!);
            if (parsed.GetValue(expected) > 0 && manifest.Policies.IsEmpty && manifest.Roles.IsEmpty)
                throw new UsageException("--expected-revision guards policies, and the files hold none.");

            var changes = new List<(string Kind, string Name, string Outcome)>();
            if (parsed.GetValue(dryRun))
            {
                var (entries, notes) = manifest.Entries.IsEmpty ? ([], []) : await ForetellAsync(parsed, manifest, parsed.GetValue(replace), cancellation);
                changes.AddRange(entries);
                changes.AddRange(manifest.Policies.Select(policy => ("CapabilityPolicy", policy.Name, "valid")));
                changes.AddRange(manifest.Roles.Select(role => ("PolicyRole", role.Name, "valid")));
                return Print(parsed, 0, changes, notes);
            }
            using var channel = AdminConnection.Open(parsed);
            ulong revision = 0;
            IReadOnlyList<string> said = [];
            // Policies first: an entry that nothing governs yet gets nothing, so the order never widens what anyone may do.
            if (manifest.Policies.Length + manifest.Roles.Length > 0)
            {
                var request = new ApplyPoliciesRequest { ExpectedRevision = parsed.GetValue(expected), Reason = parsed.GetValue(reason) };
                request.Documents.AddRange(PolicySources(manifest));
                var applied = await new PolicyAdmin.PolicyAdminClient(channel).ApplyPoliciesAsync(request, cancellationToken: cancellation);
                revision = applied.Revision;
                changes.AddRange(Lines(applied));
            }
            if (manifest.Entries.Length > 0)
            {
                var client = new Entry.EntryClient(channel);
                var plan = EntryPlan.Of(await EntryCommand.AllAsync(client, cancellation), [.. manifest.Entries.Select(EntryText.ToWire)], parsed.GetValue(replace));
                said = plan.Notes;
                changes.AddRange(await plan.CarryOutAsync(client, cancellation));
            }
            return Print(parsed, revision, changes, said);
        });
        return command;
    }

    // Without a server the files can be judged all the same.
    private static async Task<(List<(string Kind, string Name, string Outcome)> Lines, IReadOnlyList<string> Notes)> ForetellAsync(
        ParseResult parsed, Identity.Policy.Manifest manifest, bool replace, CancellationToken cancellation)
    {
        try
        {
            using var channel = AdminConnection.Open(parsed);
            var plan = EntryPlan.Of(await EntryCommand.AllAsync(new(channel), cancellation), [.. manifest.Entries.Select(EntryText.ToWire)], replace);
            return (plan.Foretell(), plan.Notes);
        }
        catch (Grpc.Core.RpcException e) when (!cancellation.IsCancellationRequested)
        {
            var why = e.StatusCode == Grpc.Core.StatusCode.Unavailable ? "no server answers" : e.Status.Detail;
            return ([.. manifest.Entries.Select(entry => ("RegistrationEntry", entry.SpiffeId.ToString(), "valid"))], [$"what would change of the entries cannot be said: {why}"]);
        }
    }

    /// <summary>The policies and roles of files, as the server is sent them.</summary>
    internal static IEnumerable<PolicySource> PolicySources(Identity.Policy.Manifest manifest) =>
        manifest.Policies.Select(policy => policy.Source).Concat(manifest.Roles.Select(role => role.Source)).Select(text => new PolicySource { Text = text });

    /// <summary>One line a document, and how to go on when others must approve.</summary>
    internal static IEnumerable<(string Kind, string Name, string Outcome)> Lines(ApplyPoliciesResponse answer)
    {
        foreach (var change in answer.Changes) yield return (change.Role ? "PolicyRole" : "CapabilityPolicy", change.Name, Outcome(change.Kind));
        if (answer.Proposal is { } proposal)
            yield return ("Proposal", proposal.Id, $"waits for {(proposal.ApprovalsRequired == 1 ? "another person" : $"{proposal.ApprovalsRequired} other people")}: identity policy approve {proposal.Id} --hash {proposal.Hash}");
    }

    internal static string Outcome(PolicyChange.Types.Kind kind) => kind switch
    {
        PolicyChange.Types.Kind.Created => "created",
        PolicyChange.Types.Kind.Updated => "updated",
        PolicyChange.Types.Kind.Unchanged => "unchanged",
        PolicyChange.Types.Kind.Deleted => "deleted",
        PolicyChange.Types.Kind.Proposed => "proposed",
        _ => "unknown",
    };

    internal static int Print(ParseResult parsed, ulong revision, List<(string Kind, string Name, string Outcome)> changes, IReadOnlyList<string>? notes = null)
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
        if (notes is { Count: > 0 })
            message.Fields["notes"] = Value.ForList([.. notes.Select(Value.ForString)]);
        if (revision > 0)
            message.Fields["revision"] = Value.ForNumber(revision);
        return Answer.Print(parsed, message, output =>
        {
            foreach (var (kind, name, outcome) in changes)
                output.WriteLine($"{kind} {name} {outcome}");
            foreach (var note in notes ?? [])
                output.WriteLine($"note: {note}");
        });
    }
}
