using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;

namespace Samples.Mtls;

internal static class Server
{
    public static async Task RunAsync(SpiffeId client, IPEndPoint address, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        using var logs = LoggerFactory.Create(log => log.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        var options = new WorkloadApiClientOptions { Logger = logs.CreateLogger("mtls") };

        // <server>
        await using var source = await X509Source.CreateAsync(options, cancellation: patience.Token);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddSpiffeTls();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(
            address, listen => listen.UseSpiffeTls(source, AuthorizedPeers.Exactly(client))));
        builder.Logging.ClearProviders();

        await using var app = builder.Build();
        app.MapGet("/", (HttpContext http) =>
        {
            Console.WriteLine($"request from {http.GetPeerSpiffeId()}");
            return $"hello {http.GetPeerSpiffeId()}, this is {source.Svid.Id}";
        });
        // </server>

        await app.StartAsync(cancellation);
        var bound = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        Console.WriteLine($"ready mtls-server port={bound.Port}");
        await app.WaitForShutdownAsync(cancellation);
    }
}
