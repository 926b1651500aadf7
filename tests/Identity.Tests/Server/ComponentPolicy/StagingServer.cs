// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Ledger.V1;
using Identity.Server.Ledger;
using Identity.V1;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>A server with policies in force and components that run, on which changes are tried.</summary>
internal sealed class StagingServer : IAsyncDisposable
{
    public const string Digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    public static readonly SpiffeId Cart = SpiffeId.Parse($"{TestPolicies.Shop}/cart");

    public static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");

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
            Imports = imports is null ? null : ImportsOf(imports) with { Exports = [.. exports] },
        };
        Assert.True(Server.Live.Open(SpiffeId.Parse($"spiffe://example.org/spire/agent/{id}")).TryAdd(admission));
    }

    public static ComponentImports ImportsOf(params string[] names) => new([.. names.Select(name => new ComponentImport(name, ImportKind.Instance))]);

    /// <param name="selector">Its type and, behind a colon, its value.</param>
    public Task RegisterAsync(string id, SpiffeId who, SpiffeId parent, string selector)
    {
        var (type, value) = (selector[..selector.IndexOf(':', StringComparison.Ordinal)], selector[(selector.IndexOf(':', StringComparison.Ordinal) + 1)..]);
        var entry = new Entry
        {
            Id = id,
            SpiffeId = new SPIFFEID { TrustDomain = who.TrustDomain.Name, Path = who.Path },
            ParentId = new SPIFFEID { TrustDomain = parent.TrustDomain.Name, Path = parent.Path },
            Selectors = { new Selector { Type = type, Value = value } },
        };
        return AppendAsync(new Change { EntrySet = entry });
    }

    public async Task AppendAsync(Change change)
    {
        Append appended;
        do
        {
            appended = await Server.Ledger.AppendAsync(new Transaction { Author = "test", Reason = "a test", Changes = { change } }, Server.Ledger.State.Revision, CancellationToken.None);
        }
        while (appended is not Append.Committed);
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
