using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Identity.V1;
using Spire.Api.Server.Entry.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity apply -f …</c>: makes the server's policies and entries what the files say. What is already so is left alone.</summary>
internal static class ApplyCommand
{
    private const string Help =
        "Apply policies, roles and registration entries from files. An entry is known by its SPIFFE ID, its parent and its selectors: with more selectors than the one "
        + "entry of that ID and parent that no file names it makes that one narrower; with any others it is refused, unless --replace or --beside says what is meant.";

    public static Command Create()
    {
        var files = ManifestFiles.Option();
        var reason = ReasonOption.Create();
        var expected = new Option<ulong>("--expected-revision") { Description = "Refuse the policies when the server's ledger is not at this revision", DefaultValueFactory = _ => 0 };
        var dryRun = new Option<bool>("--dry-run") { Description = "Check the files and change nothing; of entries also say what would change, when a server answers" };
        var replace = new Option<bool>("--replace") { Description = "The other selectors of an entry take the place of those it has; the program it was for loses the identity" };
        var beside = new Option<bool>("--beside") { Description = "An entry with other selectors is one more for that identity; the one that is there stays" };
        var types = new Option<string[]>("--selector-type") { Description = "A type of selectors that an attestor of yours gives (identityd has the same setting)", HelpName = "TYPE", DefaultValueFactory = _ => [] };
        var command = new Command("apply", Help) { files, reason, expected, replace, beside, types, dryRun };
        command.SetAction(async (parsed, cancellation) =>
        {
            var manifest = ManifestFiles.Read(parsed.GetValue(files)!);
            if (parsed.GetValue(expected) > 0 && manifest.Policies.IsEmpty && manifest.Roles.IsEmpty)
                throw new UsageException("--expected-revision guards policies, and the files hold none.");
            if (parsed.GetValue(replace) && parsed.GetValue(beside))
                throw new UsageException("--replace and --beside exclude each other.");
            if (manifest.Policies.IsEmpty && manifest.Roles.IsEmpty && manifest.Entries.IsEmpty)
                throw new UsageException("the files hold expectations only (kind: PolicyTest), and these are not applied; try them with `identity policy test FILE`.");
            RefuseUnknownTypes(manifest, parsed.GetValue(types)!);

            var others = parsed.GetValue(replace) ? OtherEntries.Replace : parsed.GetValue(beside) ? OtherEntries.Beside : OtherEntries.Refuse;
            var changes = new List<(string Kind, string Name, string Outcome)>();
            if (parsed.GetValue(dryRun))
            {
                var (entries, notes) = manifest.Entries.IsEmpty ? ([], []) : await ForetellAsync(parsed, manifest, others, cancellation);
                changes.AddRange(entries);
                changes.AddRange(manifest.Policies.Select(policy => ("CapabilityPolicy", policy.Name, "valid")));
                changes.AddRange(manifest.Roles.Select(role => ("PolicyRole", role.Name, "valid")));
                return Print(parsed, 0, changes, notes);
            }
            using var channel = AdminConnection.Open(parsed);
            ulong revision = 0;
            var governance = new List<string>();
            var client = new Entry.EntryClient(channel);
            // What is not clear about an entry is asked before anything is written.
            var plan = manifest.Entries.IsEmpty ? EntryPlan.Nothing : await PlanAsync(client, manifest, others, cancellation);
            // Policies first: an entry that nothing governs yet gets nothing, so the order never widens what anyone may do.
            if (manifest.Policies.Length + manifest.Roles.Length > 0)
            {
                var request = new ApplyPoliciesRequest { ExpectedRevision = parsed.GetValue(expected), Reason = ReasonOption.Read(parsed, reason) };
                request.Documents.AddRange(PolicySources(manifest));
                var applied = await new PolicyAdmin.PolicyAdminClient(channel).ApplyPoliciesAsync(request, cancellationToken: cancellation);
                revision = applied.Revision;
                changes.AddRange(Lines(applied));
                governance.AddRange(applied.Notes);
            }
            changes.AddRange(await plan.CarryOutAsync(client, cancellation));
            return Print(parsed, revision, changes, [.. governance, .. plan.Notes, .. plan.Said]);
        });
        return command;
    }

    private static async Task<EntryPlan> PlanAsync(Entry.EntryClient client, Identity.Policy.Manifest manifest, OtherEntries others, CancellationToken cancellation) =>
        EntryPlan.Of(await EntryCommand.AllAsync(client, cancellation), [.. manifest.Entries.Select(EntryText.ToWire)], others);

    // As the server would, but before anything is sent.
    private static void RefuseUnknownTypes(Identity.Policy.Manifest manifest, string[] also)
    {
        var problems = manifest.Entries.SelectMany(entry => entry.Selectors.Select(selector => (entry.SpiffeId, Why: Identity.Policy.KnownSelectors.WhyUnknownType(selector, also))))
            .Where(found => found.Why is not null).Select(found => $"{found.SpiffeId}: {found.Why}").ToArray();
        if (problems.Length == 0) return;
        throw new UsageException(string.Join(
            Environment.NewLine + "  ",
            ["nothing was sent, because:", .. problems.Take(20), "(if an attestor of yours gives them: --selector-type TYPE here, and for identityd)"]));
    }

    // Without a server the files can be judged all the same.
    private static async Task<(List<(string Kind, string Name, string Outcome)> Lines, IReadOnlyList<string> Notes)> ForetellAsync(
        ParseResult parsed, Identity.Policy.Manifest manifest, OtherEntries others, CancellationToken cancellation)
    {
        try
        {
            using var channel = AdminConnection.Open(parsed);
            var plan = await PlanAsync(new(channel), manifest, others, cancellation);
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

    /// <summary>Of a change that is not in force.</summary>
    internal static string Intent(PolicyChange.Types.Kind kind) => kind switch
    {
        PolicyChange.Types.Kind.Created => "would be created",
        PolicyChange.Types.Kind.Updated => "would be updated",
        PolicyChange.Types.Kind.Unchanged => "would not change",
        PolicyChange.Types.Kind.Deleted => "would be deleted",
        _ => Outcome(kind),
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
