// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Tests.Server;
using Identity.Tests.Server.ComponentPolicy;

namespace Identity.Tests.Cli;

/// <summary>A running server, the command line beside it, and a folder for its files.</summary>
internal sealed class CliServer : IAsyncDisposable
{
    public const string Cart = $"{TestPolicies.Shop}/cart";
    public const string Narrow = "{ natsPublish: orders.new }";
    public const string Wide = "{ natsPublish: orders.> }";

    private const string Offline = "/nonexistent/admin.sock";

    private readonly TemporaryFolder _folder = new();

    private CliServer(RegistryServer server) => (Server, Policies) = (server, new PolicyWriter(server.Admin));

    public RegistryServer Server { get; }

    /// <summary>The administrator, past the command line.</summary>
    public PolicyWriter Policies { get; }

    public static async Task<CliServer> StartAsync(params (string Key, string Value)[] settings) => new(await RegistryServer.StartAsync(settings));

    public Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => CliRun.RunAsync(Server, arguments);

    /// <summary>Where no server answers.</summary>
    public static Task<(int Code, string Output, string Error)> RunOfflineAsync(params string[] arguments) => CliRun.RunAsync(Offline, arguments);

    /// <returns>The revision.</returns>
    public async Task<ulong> AppliedAsync(params string[] documents) => (await Policies.ApplyAsync(documents)).Revision;

    /// <returns>The path.</returns>
    public string Write(string name, string content) => Write(name, System.Text.Encoding.UTF8.GetBytes(content));

    public string Write(string name, byte[] content)
    {
        var file = _folder.At(name);
        File.WriteAllBytes(file, content);
        return file;
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        _folder.Dispose();
    }
}
