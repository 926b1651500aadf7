using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy.Analysis;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy test FILES</c>: runs the <c>kind: PolicyTest</c> documents against the policies beside them.</summary>
internal static class PolicyTestVerb
{
    public static Command Create()
    {
        var paths = new Argument<string[]>("path") { Description = "Files or folders of policies and PolicyTest documents", Arity = ArgumentArity.OneOrMore };
        var command = new Command("test", "Run the expectations kept beside policies; ends with exit code 3 when one is not met") { paths };
        command.SetAction(parsed =>
        {
            var manifest = ManifestFiles.ReadToLook(parsed.GetValue(paths)!);
            if (manifest.Tests.IsEmpty)
                throw new UsageException("the files hold no document of kind PolicyTest; without expectations nothing is tested.");
            var results = PolicyTests.Run(PolicyFiles.PolicyOf(manifest), manifest.Tests, TimeProvider.System.GetUtcNow());
            var failed = results.Count(result => !result.Passed);
            Answer.Print(parsed, Message(results), output =>
            {
                foreach (var result in results)
                {
                    output.WriteLine($"{(result.Passed ? "ok  " : "FAIL")} {result.Document}: {result.Case.Name}");
                    if (result.Passed) continue;
                    output.WriteLine($"     {PolicyFiles.Who(result.Case.Principal)}: {result.Case.Request}");
                    output.WriteLine($"     expected {(result.Case.Allow ? "allow" : "deny")}{(result.Case.By is { } by ? $" by {by}" : "")}, but it is {result.Found}");
                    foreach (var line in (result.Explanation?.ToText() ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
                        output.WriteLine($"     {line}");
                }
                output.WriteLine($"{results.Length - failed} passed, {failed} failed");
            });
            return failed > 0 ? ExitCode.Refused : ExitCode.Ok;
        });
        return command;
    }

    private static Struct Message(IReadOnlyCollection<PolicyTestResult> results) => new()
    {
        Fields =
        {
            ["passed"] = Value.ForNumber(results.Count(result => result.Passed)),
            ["failed"] = Value.ForNumber(results.Count(result => !result.Passed)),
            ["cases"] = Value.ForList([.. results.Select(result => Value.ForStruct(new Struct
            {
                Fields =
                {
                    ["test"] = Value.ForString(result.Document),
                    ["case"] = Value.ForString(result.Case.Name),
                    ["passed"] = Value.ForBool(result.Passed),
                    ["found"] = Value.ForString(result.Found),
                },
            }))]),
        },
    };
}
