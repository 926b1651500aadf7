using System.CommandLine;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy schema</c>: the grammar of the documents, for editors.</summary>
internal static class PolicySchemaVerb
{
    public static Command Create()
    {
        var command = new Command("schema", "Print the JSON Schema (2020-12) of policies, roles, registration entries and tests of policies, for editors");
        command.SetAction(parsed => parsed.InvocationConfiguration.Output.Write(Text()));
        return command;
    }

    internal static string Text()
    {
        using var schema = typeof(PolicySchemaVerb).Assembly.GetManifestResourceStream("policy.schema.json")
            ?? throw new InvalidOperationException("this build has no policy.schema.json in it");
        using var reader = new StreamReader(schema);
        return reader.ReadToEnd();
    }
}
