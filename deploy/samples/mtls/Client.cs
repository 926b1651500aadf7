using Spiffe.Net;
using Spiffe.Net.WorkloadApi;

namespace Samples.Mtls;

internal static class Client
{
    public static async Task RunAsync(SpiffeId server, Uri address, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(TimeSpan.FromSeconds(30));

        // <client>
        await using var source = await X509Source.CreateAsync(cancellation: patience.Token);
        using var handler = SpiffeTls.CreateHandler(
            source, AuthorizedPeers.Exactly(server), onPeer: id => Console.WriteLine($"server is {id}"));
        using var http = new HttpClient(handler);
        Console.WriteLine(await http.GetStringAsync(address, patience.Token));
        // </client>
    }
}
