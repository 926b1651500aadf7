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

    /// <summary>With TLS 1.3 a server's refusal looks like a connection that closes; this is what it most likely means.</summary>
    public static string? Hint(Exception e) => e is HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded }
        ? "the server closed the connection after the handshake: it does not authorize this process's SPIFFE ID (its log names it)"
        : null;
}
