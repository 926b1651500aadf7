// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>A server with policies in force and components that run, on which changes are tried.</summary>
internal sealed class StagingServer : IAsyncDisposable
{
    public const string Digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    public static readonly SpiffeId Cart = SpiffeId.Parse($"{TestPolicies.Shop}/cart");

    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");

    private StagingServer(RegistryServer server) => (Server, Admin) = (server, new PolicyWriter(server.Admin));

    public RegistryServer Server { get; }

    public PolicyWriter Admin { get; }

    /// <param name="documents">In force from the beginning.</param>
    public static async Task<StagingServer> StartAsync(params string[] documents)
    {
        var staging = new StagingServer(await RegistryServer.StartAsync());
        await staging.Admin.ApplyAsync(documents);
        return staging;
    }

    /// <summary>A component runs, as its agent tells.</summary>
    /// <param name="id">Of the admission, and of the agent.</param>
    /// <param name="imports">Null: the agent does not tell.</param>
    public void Run(string id, string[]? imports, SpiffeId? who = null, params ComponentExport[] exports)
    {
        var admission = new ReportedAdmission(id, who ?? Cart, Host, Digest, "", 1)
        {
            Imports = imports is null ? null : new ComponentImports([.. imports.Select(name => new ComponentImport(name, ImportKind.Instance))]) { Exports = [.. exports] },
        };
        Assert.True(Server.Live.Open(SpiffeId.Parse($"spiffe://example.org/spire/agent/{id}")).TryAdd(admission));
    }

    /// <param name="soak">Seconds.</param>
    /// <param name="by">Null: an administrator.</param>
    public async Task<StagedChange> StageAsync(string[] documents, uint soak = 1, string[]? through = null, string[]? delete = null, PolicyWriter? by = null)
    {
        var request = new StageRequest { Reason = "a test", SoakSeconds = soak };
        request.Documents.AddRange(documents.Select(text => new PolicySource { Text = text }));
        request.DeletePolicies.AddRange(delete ?? []);
        request.Through.AddRange(through ?? []);
        return await (by ?? Admin).Client.StageAsync(request);
    }

    public async Task<StagedChange> EndOfAsync(StagedChange staged)
    {
        var now = staged;
        await UntilAsync(async () => (now = await FindAsync(staged.Id)).State != "soaking");
        return now;
    }

    public async Task<StagedChange> FindAsync(string id) => (await Admin.Client.ListStagesAsync(new())).Stages.Single(stage => stage.Id == id);

    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await condition()) await Task.Delay(20, deadline.Token);
    }

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
