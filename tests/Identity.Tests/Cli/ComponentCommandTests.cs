using System.Text.Json;
using Identity.Cli;

namespace Identity.Tests.Cli;

/// <summary><c>identity component</c>: what is in a component file.</summary>
public sealed class ComponentCommandTests : IAsyncLifetime
{
    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task Component_inspect_names_functions_and_exports_in_the_words_of_a_policy()
    {
        var file = _cli.Write("probe.wasm", ProbeComponent.Bytes);
        var (code, output, _) = await CliServer.RunOfflineAsync("component", "inspect", file);
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("import   acme:probe/store@1.0.0\n           #get\n", output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await CliServer.RunOfflineAsync("component", "inspect", file, "-o", "json")).Output);
        Assert.Equal("acme:probe/store@1.0.0#get", json.RootElement.GetProperty("importedFunctions")[0].GetString());
        Assert.Equal("#run", json.RootElement.GetProperty("exports")[0].GetString());
        Assert.Contains("export   #run\n", output, StringComparison.Ordinal);
    }
}
