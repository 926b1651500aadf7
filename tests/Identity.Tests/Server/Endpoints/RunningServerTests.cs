using System.Collections;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Server;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Microsoft.Extensions.Logging.Abstractions;
using Spire.Api.Server.Bundle.V1;
using Spire.Api.Server.Svid.V1;
using Spire.Api.Types;
using Xunit;
using Bundle = Spire.Api.Server.Bundle.V1.Bundle;

namespace Identity.Tests.Server.Endpoints;

/// <summary>A whole server on real sockets, and the shipped process where its end matters.</summary>
public sealed class RunningServerTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Data => _folder.At("data");

    private string Socket => _folder.At("data/admin.sock");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Answers_a_stranger_with_a_refusal_for_every_method_but_those_for_strangers()
    {
        await using var server = await StartAsync();
        using var channel = Tls(server);
        foreach (var method in MethodTableTests.Everything.Where(m => !MethodTable.Allows(m, CallerKinds.Anonymous)))
        {
            var status = await CallAsync(channel, method);
            Assert.True(status is StatusCode.PermissionDenied or StatusCode.Unauthenticated or StatusCode.Unimplemented, $"{method}: {status}");
        }
    }

    [Fact]
    public async Task Gives_anyone_the_bundle_and_verifies_with_it()
    {
        await using var server = await StartAsync();
        using var channel = Tls(server);
        var bundle = await new Bundle.BundleClient(channel).GetBundleAsync(new GetBundleRequest(), cancellationToken: Cancellation);
        Assert.Equal("example.org", bundle.TrustDomain);
        Assert.Single(bundle.X509Authorities);
        Assert.Single(bundle.JwtAuthorities);
    }

    [Fact]
    public async Task Tells_a_client_with_a_certificate_of_nobody_what_is_wrong_with_it()
    {
        await using var server = await StartAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=nobody", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(100));
        using var channel = Tls(server, certificate);
        var refusal = await Assert.ThrowsAsync<RpcException>(() =>
            new SVID.SVIDClient(channel).NewJWTSVIDAsync(new NewJWTSVIDRequest(), cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(StatusCode.PermissionDenied, refusal.StatusCode);
        Assert.Contains("needs an attested agent", refusal.Status.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "0 bytes")]
    [InlineData("30", "not well-formed")]
    [InlineData("3000", "not well-formed")]
    [InlineData("deadbeef", "not well-formed")]
    public async Task Refuses_a_malformed_request_for_a_certificate_and_records_nothing(string hex, string problem)
    {
        await using var server = await StartAsync();
        var before = server.Ledger.Issuances;
        var refusal = await MintRefusalAsync(Convert.FromHexString(hex));
        Assert.Contains(problem, refusal, StringComparison.Ordinal);
        Assert.Equal(before, server.Ledger.Issuances);
    }

    [Fact]
    public async Task Refuses_requests_that_are_too_large_unsigned_or_name_what_nobody_may_have()
    {
        await using var server = await StartAsync();
        var before = server.Ledger.Issuances;
        Assert.Contains("expected 1 to", await MintRefusalAsync(new byte[20_000]), StringComparison.Ordinal);
        Assert.Contains("expected one", await MintRefusalAsync(Csr()), StringComparison.Ordinal);
        Assert.Contains("reserved", await MintRefusalAsync(Csr("spiffe://example.org/spire/server")), StringComparison.Ordinal);
        Assert.Contains("not in this trust domain", await MintRefusalAsync(Csr("spiffe://other.org/x")), StringComparison.Ordinal);
        var tampered = Csr("spiffe://example.org/x");
        tampered[^1] ^= 1;
        Assert.Contains("csr:", await MintRefusalAsync(tampered), StringComparison.Ordinal);
        Assert.Equal(before, server.Ledger.Issuances);
    }

    [Fact]
    public async Task Closes_the_admin_socket_to_other_users()
    {
        await using var server = await StartAsync();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Socket));
    }

    [Fact]
    public async Task Says_in_one_line_that_a_port_is_in_use()
    {
        using var taken = new TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        using var process = Run("--data-dir", Data, "--listen", $"{taken.LocalEndpoint}", "--istio-listen", "127.0.0.1:0");
        var error = await process.StandardError.ReadToEndAsync(Cancellation).WaitAsync(Deadline, Cancellation);
        await process.WaitForExitAsync(Cancellation).WaitAsync(Deadline, Cancellation);
        Assert.Equal(1, process.ExitCode);
        Assert.Contains($"{taken.LocalEndpoint} is in use by another process", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_process_on_the_folder_refuses_and_the_first_ends_well_on_SIGTERM()
    {
        using var first = Run("--data-dir", Data, "--listen", "127.0.0.1:0", "--istio-listen", "127.0.0.1:0");
        await ReadyAsync(first);
        using var second = Run("--data-dir", Data, "--listen", "127.0.0.1:0", "--istio-listen", "127.0.0.1:0");
        var error = await second.StandardError.ReadToEndAsync(Cancellation).WaitAsync(Deadline, Cancellation);
        Assert.StartsWith("Another identityd is using the data folder", error, StringComparison.Ordinal);
        using var kill = Process.Start("/bin/kill", ["-TERM", $"{first.Id}"]);
        await first.WaitForExitAsync(Cancellation).WaitAsync(Deadline, Cancellation);
        Assert.Equal(0, first.ExitCode);
    }

    [Fact]
    public async Task SIGKILL_loses_no_acknowledged_credential_and_breaks_no_chain()
    {
        var acknowledged = new ConcurrentBag<string>();
        using (var process = Run("--data-dir", Data, "--listen", "127.0.0.1:0", "--istio-listen", "127.0.0.1:0"))
        {
            await ReadyAsync(process);
            using var channel = Admin();
            var client = new SVID.SVIDClient(channel);
            var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var writers = Enumerable.Range(0, 32).Select(i => MintUntilDeadAsync(client, acknowledged, enough)).ToList();
            await enough.Task.WaitAsync(Deadline, Cancellation);
            process.Kill();
            await Task.WhenAll(writers).WaitAsync(Deadline, Cancellation);
            await process.WaitForExitAsync(Cancellation);
        }
        await using var ledger = await ControlPlaneLedger.OpenAsync(Data, TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation);
        var recorded = ledger.ListIssuances(1_000_000).Select(i => i.SerialOrJti).ToHashSet(StringComparer.Ordinal);
        Assert.True(acknowledged.Count >= 200);
        Assert.All(acknowledged, id => Assert.Contains(id, recorded));
        Assert.IsType<LedgerVerification.Intact>(ledger.Verify(Cancellation));
    }

    private static async Task MintUntilDeadAsync(SVID.SVIDClient client, ConcurrentBag<string> acknowledged, TaskCompletionSource enough)
    {
        try
        {
            while (true)
            {
                var request = new MintJWTSVIDRequest { Id = new SPIFFEID { TrustDomain = "example.org", Path = "/workload" }, Audience = { "test" } };
                var token = (await client.MintJWTSVIDAsync(request, cancellationToken: Cancellation)).Svid.Token;
                acknowledged.Add(TokenId(token));
                if (acknowledged.Count >= 200)
                {
                    enough.TrySetResult();
                }
            }
        }
        catch (RpcException)
        {
            // The process is dead, which is what this test is about.
        }
    }

    private static string TokenId(string token) => System.Text.Json.JsonDocument.Parse(
        System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1])).RootElement.GetProperty("jti").GetString()!;

    private async Task<string> MintRefusalAsync(byte[] csr)
    {
        using var channel = Admin();
        var refusal = await Assert.ThrowsAsync<RpcException>(() => new SVID.SVIDClient(channel)
            .MintX509SVIDAsync(new MintX509SVIDRequest { Csr = ByteString.CopyFrom(csr) }, cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        return refusal.Status.Detail;
    }

    private static byte[] Csr(string? uri = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256);
        if (uri is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddUri(new Uri(uri));
            request.CertificateExtensions.Add(names.Build());
        }
        return request.CreateSigningRequest();
    }

    private Task<RunningServer> StartAsync()
    {
        var settings = ServerSettings.Gather(["--listen", "127.0.0.1:0", "--istio-listen", "127.0.0.1:0"], new Hashtable());
        return ServerOptions.TryRead(settings, Data, out var options, out var problems)
            ? Identity.Server.Program.StartAsync(options, TimeProvider.System)
            : throw new InvalidOperationException(string.Join("; ", problems));
    }

    private static async Task<StatusCode> CallAsync(GrpcChannel channel, string method)
    {
        var parts = method.Split('/');
        var bytes = Marshallers.Create<byte[]>(b => b, b => b);
        var raw = new Method<byte[], byte[]>(MethodType.Unary, parts[1], parts[2], bytes, bytes);
        try
        {
            using var call = channel.CreateCallInvoker().AsyncUnaryCall(raw, null, new CallOptions(cancellationToken: Cancellation), []);
            await call.ResponseAsync;
            return StatusCode.OK;
        }
        catch (RpcException e)
        {
            return e.StatusCode;
        }
    }

    private static GrpcChannel Tls(RunningServer server, X509Certificate2? certificate = null)
    {
        var handler = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, leaf, _, _) => leaf is not null } };
        if (certificate is not null)
        {
            handler.SslOptions.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);
        }
        return GrpcChannel.ForAddress($"https://{server.Listeners.Grpc}", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
    }

    private GrpcChannel Admin()
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(Socket), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        return GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
    }

    private static Process Run(params string[] arguments) => Process.Start(
        new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "identityd"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    private static async Task ReadyAsync(Process process) => Assert.StartsWith(
        "ready identityd grpc=127.0.0.1:", await process.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(Deadline, Cancellation), StringComparison.Ordinal);
}
