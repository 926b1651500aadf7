using NATS.Client.Core;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;

// A subscriber that logs in to NATS with its own SVID, and believes a greeting only when the SVID it carries is genuine and meant for us.
// SPIFFE_ENDPOINT_SOCKET and NATS_URL say where everything is.
using var client = new WorkloadApiClient();
using var tokens = new JwtSource(client);
await using var source = await X509Source.CreateAsync();
var me = source.Svid.Id;
var natsAudience = $"spiffe://{me.TrustDomain.Name}/nats";
var natsServer = AuthorizedPeers.Exactly(SpiffeId.FromSegments(me.TrustDomain, "nats-server"));

await using var nats = new NatsConnection(new NatsOpts
{
    Url = Environment.GetEnvironmentVariable("NATS_URL") ?? "tls://127.0.0.1:4222",
    Name = "listener",
    AuthOpts = new NatsAuthOpts
    {
        AuthCredCallback = async (_, cancellation) => NatsAuthCred.FromToken((await tokens.GetAsync(natsAudience, cancellation)).Token),
    },
    // The token is a bearer token: it goes to nats-server's own SVID and to nobody else.
    TlsOpts = new NatsTlsOpts
    {
        Mode = TlsMode.Require,
        ConfigureClientAuthentication = tls =>
        {
            var mine = SpiffeTls.ClientOptions(source, natsServer);
            tls.RemoteCertificateValidationCallback = mine.RemoteCertificateValidationCallback;
            tls.CertificateChainPolicy = mine.CertificateChainPolicy;
            return ValueTask.CompletedTask;
        },
    },
    MaxReconnectRetry = -1,
    IgnoreAuthErrorAbort = true,
});

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
using var terminated = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, signal =>
{
    signal.Cancel = true;
    stop.Cancel();
});

await nats.ConnectAsync();
await using var subscription = await nats.SubscribeCoreAsync<byte[]>("greetings.>", cancellationToken: stop.Token);
await nats.PingAsync(stop.Token);
Console.WriteLine($"ready listener id={me}");
try
{
    await foreach (var message in subscription.Msgs.ReadAllAsync(stop.Token))
    {
        var token = System.Text.Encoding.ASCII.GetString(message.Data ?? []);
        Console.WriteLine(await client.ValidateJwtSvidAsync(token, me.ToString(), stop.Token) switch
        {
            JwtSvidValidation.Valid valid => $"received subject={message.Subject} from={valid.Id}",
            JwtSvidValidation.Refused refused => $"refused subject={message.Subject} reason={refused.Reason}",
            _ => $"refused subject={message.Subject}",
        });
    }
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    // Asked to leave.
}
return 0;
