using System.CommandLine;

namespace Identity.Cli;

/// <summary>The options every command has.</summary>
internal static class GlobalOptions
{
    public const string AdminSocketName = "--admin-socket";
    public const string ServerName = "--server-address";
    private const string OutputName = "--output";

    public static IEnumerable<Option> All(CliConfiguration configuration)
    {
        yield return new Option<string>(AdminSocketName)
        {
            Description = "The server's admin socket",
            HelpName = "PATH",
            Recursive = true,
            DefaultValueFactory = _ => configuration.AdminSocket,
        };
        yield return new Option<string?>(ServerName)
        {
            Description = "Ask the server at this address instead, as who this process is at the Workload API (SPIFFE_ENDPOINT_SOCKET): for those whom a PolicyRole names by SPIFFE ID",
            HelpName = "HOST:PORT",
            Recursive = true,
        };
        var output = new Option<string>(OutputName, "-o")
        {
            Description = "How to print the answer: text or json",
            Recursive = true,
            DefaultValueFactory = _ => configuration.Output,
        };
        output.AcceptOnlyFromAmong("text", "json");
        yield return output;
    }

    public static string AdminSocket(ParseResult parsed) => parsed.GetValue<string>(AdminSocketName)!;

    /// <summary>Null: the admin socket is asked.</summary>
    public static Uri? ServerAddress(ParseResult parsed)
    {
        if (parsed.GetValue<string?>(ServerName) is not { } address) return null;
        return Uri.TryCreate($"https://{address}", UriKind.Absolute, out var uri) && uri is { PathAndQuery: "/", Fragment: "", UserInfo: "" } && address.LastIndexOf(':') > address.LastIndexOf(']')
            ? uri : throw new UsageException($"{ServerName}: '{address}' is not HOST:PORT, such as identity.example.org:8081");
    }

    /// <summary>Where a command asks, for a sentence.</summary>
    public static string Where(ParseResult parsed) => parsed.GetValue<string?>(ServerName) ?? AdminSocket(parsed);

    public static bool Json(ParseResult parsed) => parsed.GetValue<string>(OutputName) == "json";
}
