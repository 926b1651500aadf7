using System.Collections.Immutable;
using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy;
using Identity.Policy.Analysis;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy check FILES</c>: rules without effect, contradictions, and grants that do not fit what is there.</summary>
internal static class PolicyCheckVerb
{
    public static Command Create()
    {
        var paths = new Argument<string[]>("path") { Description = "Files or folders of policies, and of entries to judge them by; with --server none, to check what is in force", Arity = ArgumentArity.ZeroOrMore };
        var components = PolicyFiles.Components();
        var server = new Option<bool>("--server") { Description = "Judge the files laid over the policies in force there, as if they were applied, by who is registered and what runs" };
        var strict = new Option<bool>("--strict") { Description = "End with exit code 3 when there is a warning" };
        var command = new Command("check", "Warn of rules that say nothing, contradict each other, grant too much or mean nobody") { paths, components, server, strict };
        command.SetAction(async (parsed, cancellation) =>
        {
            var files = parsed.GetValue(paths)!;
            if (files.Length == 0 && !parsed.GetValue(server)) throw new UsageException("name a file or folder of policies, or check those in force with --server.");
            var manifest = files.Length == 0 ? new Manifest([], [], []) : ManifestFiles.ReadToLook(files);
            var there = parsed.GetValue(server) ? await AskAsync(parsed, cancellation) : null;
            var (policy, now) = (there is null ? PolicyFiles.PolicyOf(manifest) : PolicyComparison.LaidOver(there.Policies, manifest), TimeProvider.System.GetUtcNow());
            RegistrationEntryDocument[] entries = [.. manifest.Entries, .. there?.Entries ?? []];
            var inventory = new PolicyInventory
            {
                Components = [.. PolicyFiles.Read(parsed.GetValue(components)!, entries, policy.SignerKeys), .. there?.Starts(policy.SignerKeys) ?? []],
                Identities = [.. PolicyFiles.InventoryOf(entries), .. there?.WithoutEntries ?? []],
            };
            // What was wrong with other documents before is their authors' business; what is refused to a component is everybody's. One build on many hosts is one.
            var looked = files.Length == 0 ? policy.Documents : manifest.Policies;
            var own = looked.Select(policy => policy.Name).ToHashSet(StringComparer.Ordinal);
            var known = there is null || files.Length == 0 ? [] : Find(PolicyComparison.LaidOver(there.Policies, new Manifest([], [], [])), inventory, now).Select(warning => (warning.Kind, warning.Rule)).ToHashSet();
            ImmutableArray<PolicyWarning> found =
            [
                .. Find(policy, inventory, now)
                    .Where(warning => warning.Rule is not { } rule || warning.Kind == PolicyWarningKind.NotGranted || own.Contains(rule.Policy) || !known.Contains((warning.Kind, rule))).Distinct(),
            ];
            // Which nats-servers there are is not known here, so what only older ones refuse is no warning.
            ImmutableArray<PolicyWarning> warnings = [.. found.Where(warning => warning.Kind != PolicyWarningKind.OlderServers)];
            ImmutableArray<PolicyWarning> notes = [.. found.Where(warning => warning.Kind == PolicyWarningKind.OlderServers)];
            ImmutableArray<PolicyWarning> passedOver = [.. PolicyCheck.NotChecked(policy, inventory, now).Where(warning => own.Contains(warning.Rule!.Value.Policy)).Distinct()];
            var places = new RulePlaces(files, manifest);
            Answer.Print(parsed, Message(warnings, notes, passedOver, places, inventory), output =>
            {
                var width = Answer.WidthOf(output);
                foreach (var warning in warnings.AddRange(notes))
                {
                    Answer.Line(output, $"{(warning.Kind == PolicyWarningKind.OlderServers ? "Note: " : "")}{places.Of(warning) ?? "-"}: {(warning.Rule is { } rule && warning.Kind != PolicyWarningKind.NotGranted ? $"rule {rule} " : "")}{warning.Text}", width);
                    Answer.Line(output, $"    {warning.Advice}", width);
                }
                var untried = NotChecked(inventory, there).ToArray();
                foreach (var sentence in untried) Answer.Line(output, sentence, width);
                foreach (var rule in passedOver)
                {
                    Answer.Line(output, $"Not checked: {(places.Of(rule) is { } place ? $"{place}: " : "")}rule {rule.Rule}: {rule.Text}", width);
                    Answer.Line(output, $"    {rule.Advice}", width);
                }
                output.WriteLine(warnings.IsEmpty
                    ? $"{Answer.Count(looked.Sum(policy => policy.Rules.Length), "rule")}, nothing to warn of{(untried.Length > 0 || passedOver.Length > 0 ? " in what was checked" : "")}."
                    : $"{Answer.Count(warnings.Length, "warning")}.");
            });
            return parsed.GetValue(strict) && !warnings.IsEmpty ? ExitCode.Refused : ExitCode.Ok;
        });
        return command;
    }

    private static IEnumerable<PolicyWarning> Find(CapabilityPolicy policy, PolicyInventory inventory, DateTimeOffset now) =>
        PolicyCheck.Find(policy, inventory, now).Concat(BreadthCheck.Find(policy, now)).Concat(NatsUseCheck.Find(policy, now));

    private static async Task<ServerInventory> AskAsync(ParseResult parsed, CancellationToken cancellation)
    {
        using var channel = AdminConnection.Open(parsed);
        return await ServerInventory.ReadAsync(channel, cancellation);
    }

    // "Nothing to warn of" is no more than what was looked at.
    private static IEnumerable<string> NotChecked(PolicyInventory inventory, ServerInventory? there)
    {
        if (there is { Untold: > 0 and var untold }) yield return $"Not checked: {Answer.Count(untold, "component that runs and whose agent does", "components that run and whose agents do")} not tell what it imports.";
        if (inventory.Identities.IsEmpty) yield return "Not checked: whether a rule means anybody (add the files of the entries, or --server).";
        if (inventory.Components.IsEmpty) yield return "Not checked: whether components import what is granted to them, and are granted what they import (--component [ID=]FILE).";
    }

    private static IEnumerable<PolicyWarningKind> NotLookedFor(PolicyInventory inventory) =>
        [.. inventory.Identities.IsEmpty ? [PolicyWarningKind.MeansNobody] : Array.Empty<PolicyWarningKind>(), .. inventory.Components.IsEmpty ? [PolicyWarningKind.OverGrant, PolicyWarningKind.NotGranted] : Array.Empty<PolicyWarningKind>()];

    private static Struct Message(IEnumerable<PolicyWarning> warnings, IEnumerable<PolicyWarning> notes, IEnumerable<PolicyWarning> passedOver, RulePlaces places, PolicyInventory inventory) => new()
    {
        Fields =
        {
            ["warnings"] = Value.ForList([.. warnings.Select(warning => Message(warning, places))]),
            ["notes"] = Value.ForList([.. notes.Select(note => Message(note, places))]),
            ["notChecked"] = Value.ForList([.. NotLookedFor(inventory).Select(kind => Value.ForString(Name(kind)))]),
            ["rulesNotChecked"] = Value.ForList([.. passedOver.Select(rule => Message(rule, places))]),
        },
    };

    private static Value Message(PolicyWarning warning, RulePlaces places) => Value.ForStruct(new Struct
    {
        Fields =
        {
            ["kind"] = Value.ForString(Name(warning.Kind)),
            ["rule"] = warning.Rule is { } rule ? Value.ForString(rule.ToString()) : Value.ForNull(),
            ["place"] = places.Of(warning) is { } place ? Value.ForString(place) : Value.ForNull(),
            ["text"] = Value.ForString(warning.Text),
            ["advice"] = Value.ForString(warning.Advice),
        },
    });

    private static string Name(PolicyWarningKind kind) => kind switch
    {
        PolicyWarningKind.Dead => "dead",
        PolicyWarningKind.Shadowed => "shadowed",
        PolicyWarningKind.Contradiction => "contradiction",
        PolicyWarningKind.OverGrant => "over-grant",
        PolicyWarningKind.NotGranted => "not-granted",
        PolicyWarningKind.MeansNobody => "means-nobody",
        PolicyWarningKind.FormerId => "former-id",
        PolicyWarningKind.Wide => "wide",
        PolicyWarningKind.UnverifiedSigner => "unverified-signer",
        PolicyWarningKind.Unusable => "unusable",
        PolicyWarningKind.OlderServers => "older-servers",
        PolicyWarningKind.Unversioned => "unversioned",
        _ => "undecided",
    };

    /// <summary>Lines of documents, as lines of the files they stand in.</summary>
    private sealed class RulePlaces(string[] paths, Manifest manifest)
    {
        private readonly Dictionary<string, (string File, int Offset)> _documents = Find(paths, manifest);

        public string? Of(PolicyWarning warning) =>
            warning is { Rule: { } rule, Line: > 0 } && _documents.TryGetValue(rule.Policy, out var place) ? $"{place.File}:{place.Offset + warning.Line}" : null;

        private static Dictionary<string, (string, int)> Find(string[] paths, Manifest manifest)
        {
            var places = new Dictionary<string, (string, int)>(StringComparer.Ordinal);
            foreach (var file in paths.SelectMany(ManifestFiles.Expand).Where(file => file != "-"))
            {
                var text = ManifestFiles.Text(file);
                foreach (var policy in manifest.Policies)
                {
                    var at = text.IndexOf(policy.Source, StringComparison.Ordinal);
                    if (at >= 0) places.TryAdd(policy.Name, (file, text.AsSpan(0, at).Count('\n')));
                }
            }

            return places;
        }
    }
}
