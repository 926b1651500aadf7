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
        var paths = new Argument<string[]>("path") { Description = "Files or folders of policies, and of entries to judge them by", Arity = ArgumentArity.OneOrMore };
        var components = PolicyFiles.Components();
        var strict = new Option<bool>("--strict") { Description = "End with exit code 3 when there is a warning" };
        var command = new Command("check", "Warn of rules that say nothing, contradict each other, grant too much or mean nobody") { paths, components, strict };
        command.SetAction(parsed =>
        {
            var files = parsed.GetValue(paths)!;
            var manifest = ManifestFiles.ReadToLook(files);
            var inventory = new PolicyInventory
            {
                Components = PolicyFiles.Read(parsed.GetValue(components)!, manifest),
                Identities = [.. manifest.Entries.Select(entry => entry.SpiffeId).Distinct()],
            };
            var warnings = PolicyCheck.Find(PolicyFiles.PolicyOf(manifest), inventory, TimeProvider.System.GetUtcNow());
            var places = new RulePlaces(files, manifest);
            Answer.Print(parsed, Message(warnings, places), output =>
            {
                var width = Answer.WidthOf(output);
                foreach (var warning in warnings)
                {
                    Answer.Line(output, $"{places.Of(warning) ?? "-"}: {(warning.Rule is { } rule && warning.Kind != PolicyWarningKind.NotGranted ? $"rule {rule} " : "")}{warning.Text}", width);
                    Answer.Line(output, $"    {warning.Advice}", width);
                }
                output.WriteLine(warnings.IsEmpty
                    ? $"{Answer.Count(manifest.Policies.Sum(policy => policy.Rules.Length), "rule")}, nothing to warn of."
                    : $"{Answer.Count(warnings.Length, "warning")}.");
            });
            return parsed.GetValue(strict) && !warnings.IsEmpty ? ExitCode.Refused : ExitCode.Ok;
        });
        return command;
    }

    private static Struct Message(IEnumerable<PolicyWarning> warnings, RulePlaces places) => new()
    {
        Fields =
        {
            ["warnings"] = Value.ForList([.. warnings.Select(warning => Value.ForStruct(new Struct
            {
                Fields =
                {
                    ["kind"] = Value.ForString(Name(warning.Kind)),
                    ["rule"] = warning.Rule is { } rule ? Value.ForString(rule.ToString()) : Value.ForNull(),
                    ["place"] = places.Of(warning) is { } place ? Value.ForString(place) : Value.ForNull(),
                    ["text"] = Value.ForString(warning.Text),
                    ["advice"] = Value.ForString(warning.Advice),
                },
            }))]),
        },
    };

    private static string Name(PolicyWarningKind kind) => kind switch
    {
        PolicyWarningKind.Dead => "dead",
        PolicyWarningKind.Shadowed => "shadowed",
        PolicyWarningKind.Contradiction => "contradiction",
        PolicyWarningKind.OverGrant => "over-grant",
        PolicyWarningKind.NotGranted => "not-granted",
        PolicyWarningKind.MeansNobody => "means-nobody",
        PolicyWarningKind.FormerId => "former-id",
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
