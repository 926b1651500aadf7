using System.Net;
using Samples.Mtls;
using Spiffe.Net;

// Two processes that talk mTLS with SVIDs from the Workload API, each authorizing the other's SPIFFE ID:
//   mtls server <client's SPIFFE ID> [port]
//   mtls client <server's SPIFFE ID> <port>
const string Usage = "usage: mtls server <client SPIFFE ID> [port] | mtls client <server SPIFFE ID> <port>";

if (args is not ([("server" or "client"), _] or [("server" or "client"), _, _]) || (args is ["client", _])) return Fail(2, Usage);
if (!SpiffeId.TryParse(args[1], out var peer, out var problem)) return Fail(2, problem);
var portText = args is [_, _, var given] ? given : "0";
if (!ushort.TryParse(portText, out var port) || (args[0] == "client" && port == 0)) return Fail(2, $"port \"{portText}\" is not a number from 1 to 65535");

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};

try
{
    if (args[0] == "server") await Server.RunAsync(peer, new IPEndPoint(IPAddress.Loopback, port), stop.Token);
    else await Client.RunAsync(peer, new Uri($"https://localhost:{port}"), stop.Token);
    return 0;
}
catch (Exception e) when (e is not OutOfMemoryException)
{
    return Fail(1, Client.Hint(e) ?? Reason(e));
}

// The outermost message says what failed, the innermost of the SDK why; "…: the SSL connection could not be established" helps nobody.
static string Reason(Exception e)
{
    var reasons = new List<string>();
    for (Exception? cause = e; cause is not null; cause = cause.InnerException)
    {
        if (!reasons.Contains(cause.Message)) reasons.Add(cause.Message);
    }

    return string.Join(": ", reasons);
}

static int Fail(int code, string reason)
{
    Console.Error.WriteLine($"mtls: {reason}");
    return code;
}
