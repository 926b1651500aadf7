using Spire.Api.Server.Entry.V1;
using Types = Spire.Api.Types;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>Registration entries for this user's processes, as an operator makes them.</summary>
internal sealed class Entries(string adminSocket) : IDisposable
{
    private const string Node = "/nodes/local";

    private static readonly string Uid = File.ReadLines("/proc/self/status").First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2];

    private readonly UnixChannel _admin = new(adminSocket);

    private Entry.EntryClient Client => new(_admin.Channel);

    /// <returns>The entry's own ID.</returns>
    public async Task<string> CreateAsync(string name)
    {
        var entry = new Types.Entry { SpiffeId = Wire($"/{name}"), ParentId = Wire(Node), Selectors = { new Types.Selector { Type = "unix", Value = $"uid:{Uid}" } } };
        var result = (await Client.BatchCreateEntryAsync(new BatchCreateEntryRequest { Entries = { entry } })).Results.Single();
        return result.Status.Code == 0 ? result.Entry.Id : throw new InvalidOperationException(result.Status.Message);
    }

    public async Task DeleteAsync(string id)
    {
        var result = (await Client.BatchDeleteEntryAsync(new BatchDeleteEntryRequest { Ids = { id } })).Results.Single();
        if (result.Status.Code != 0) throw new InvalidOperationException(result.Status.Message);
    }

    public void Dispose() => _admin.Dispose();

    private static Types.SPIFFEID Wire(string path) => new() { TrustDomain = "example.org", Path = path };
}
