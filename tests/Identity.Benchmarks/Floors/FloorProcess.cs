using System.Net;
using Identity.Benchmarks.WorkloadApi;
using Identity.Testing.Platform;
using Identity.V1;

namespace Identity.Benchmarks.Floors;

/// <summary>A <see cref="FloorServer"/> that runs, and where to reach it.</summary>
internal sealed class FloorProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(60);

    // As in identityd's own runtimeconfig: this program is a client and has neither.
    private static readonly Dictionary<string, string?> AsIdentityd = new() { ["DOTNET_gcServer"] = "1", ["DOTNET_TieredPGO"] = "1" };

    private readonly UnixChannel _admin;

    private FloorProcess(ManagedProcess process, IPEndPoint tls, UnixChannel admin)
    {
        (Process, Tls, _admin) = (process, tls, admin);
        PolicyAdmin = new PolicyAdmin.PolicyAdminClient(admin.Channel);
    }

    public ManagedProcess Process { get; }

    public IPEndPoint Tls { get; }

    public PolicyAdmin.PolicyAdminClient PolicyAdmin { get; }

    public static async Task<FloorProcess> StartAsync(string folder, string? natsUrl, CancellationToken cancellation)
    {
        var socket = Path.Combine(folder, "floor.sock");
        var process = ManagedProcess.Start("floor", folder, Environment.ProcessPath!, natsUrl is null ? [FloorServer.Verb, socket] : [FloorServer.Verb, socket, natsUrl], AsIdentityd);
        try
        {
            var ready = await process.LineAsync(line => line.StartsWith(FloorServer.ReadyPrefix, StringComparison.Ordinal), StartDeadline, cancellation);
            return new FloorProcess(process, IPEndPoint.Parse(ready[FloorServer.ReadyPrefix.Length..]), new UnixChannel(socket));
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _admin.Dispose();
        await Process.DisposeAsync();
    }
}
