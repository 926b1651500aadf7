using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Identity.Server.ComponentPolicy;
using Identity.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NATS.Client.Core;

namespace Identity.Benchmarks.Floors;

/// <summary>
/// The other side of a floor, in a process of its own: the protocols that identityd speaks, by the same libraries, and nothing behind them. What is applied as policy is pushed as
/// it came to whoever listens to Sync; a body that is posted is read and answered with as many bytes as the query asks for; what comes on NATS goes back.
/// </summary>
internal static class FloorServer
{
    /// <summary>The first argument of this program that makes it one; the second is the socket to apply at, the third the NATS to echo on, or none.</summary>
    public const string Verb = "floor";

    public const string ReadyPrefix = "ready floor ";
    public const string EchoSubject = "floor.echo";
    public const string AnswerPath = "/answer";

    public static async Task RunAsync(string adminSocket, string? natsUrl)
    {
        using var certificate = SelfSigned();
        ListenOptions? tls = null;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = Verb });
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listen => (tls = listen).UseHttps(certificate));
            kestrel.ListenUnixSocket(adminSocket, listen => listen.Protocols = HttpProtocols.Http2);
        });
        builder.Services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = null);
        builder.Services.AddSingleton<Pushing>().AddSingleton<Applying>();
        await using var app = builder.Build();
        app.MapGrpcService<Pushing>();
        app.MapGrpcService<Applying>();
        app.MapPost(AnswerPath, (RequestDelegate)AnswerAsync);
        await app.StartAsync();
        await using var nats = natsUrl is null ? null : new NatsConnection(new NatsOpts { Url = natsUrl });
        var echoing = nats is null ? Task.CompletedTask : EchoAsync(nats);
        Console.WriteLine(ReadyPrefix + tls!.IPEndPoint);
        await app.WaitForShutdownAsync();
        if (nats is not null) await nats.DisposeAsync();
        await echoing;
    }

    private static async Task EchoAsync(NatsConnection nats)
    {
        await foreach (var message in nats.SubscribeAsync<byte[]>(EchoSubject)) await message.ReplyAsync(message.Data);
    }

    private static async Task AnswerAsync(HttpContext call)
    {
        var asked = int.Parse(call.Request.Query["bytes"].ToString(), CultureInfo.InvariantCulture);
        using var body = new MemoryStream();
        await call.Request.Body.CopyToAsync(body);
        call.Response.ContentType = "application/json";
        call.Response.ContentLength = asked;
        await call.Response.Body.WriteAsync(new byte[asked]);
    }

    // Of the kind of the server's own SVID.
    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = DateTimeOffset.UtcNow;
        return new CertificateRequest("CN=floor", key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddHours(-1), now.AddHours(1));
    }

    private sealed class Pushing : SyncFrames
    {
        private static readonly SnapshotFrame First = new(default, new Snapshot { Revision = 1 });

        private readonly ConcurrentDictionary<IServerStreamWriter<SnapshotFrame>, bool> _listening = [];

        public override async Task Subscribe(IAsyncStreamReader<AgentReport> requestStream, IServerStreamWriter<SnapshotFrame> responseStream, ServerCallContext context)
        {
            // Nobody is pushed to before everybody has been answered.
            _listening.TryAdd(responseStream, true);
            await responseStream.WriteAsync(First);
            await Task.Delay(Timeout.Infinite, context.CancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _listening.TryRemove(responseStream, out _);
        }

        // On many threads, as identityd's streams are.
        public void Push(SnapshotFrame frame)
        {
            foreach (var stream in _listening.Keys) ThreadPool.UnsafeQueueUserWorkItem(static push => push.stream.WriteAsync(push.frame), (stream, frame), preferLocal: false);
        }
    }

    private sealed class Applying(Pushing pushing) : PolicyAdmin.PolicyAdminBase
    {
        public override Task<ApplyPoliciesResponse> ApplyPolicies(ApplyPoliciesRequest request, ServerCallContext context)
        {
            pushing.Push(new SnapshotFrame(System.Text.Encoding.UTF8.GetBytes(request.Documents[0].Text), new Snapshot()));
            return Task.FromResult(new ApplyPoliciesResponse());
        }
    }
}
