using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Identity.Testing.Nats;
using Identity.Testing.Platform;
using Identity.WasmHost.WorkerProtocol;
using NATS.Client.Core;
using NATS.NKeys;

namespace Identity.Tests.WasmHost;

/// <summary>The greeter of deploy/samples in a worker, on a real nats-server that asks a callout who may do what.</summary>
public sealed class NatsPublisherTests
{
    public static TheoryData<NatsRelease> Releases => [NatsRelease.Floor, NatsRelease.Newest];

    [Theory]
    [MemberData(nameof(Releases))]
    public async Task Lets_a_guest_publish_as_itself_and_hands_it_the_refusal_of_nats_server(NatsRelease release)
    {
        await using var nats = await CalloutNats.StartAsync(NatsServerBinary.Get(release));
        await using var listener = nats.Connect(NatsAuthOpts.Default with { Token = "listener" });
        await using var greetings = await listener.SubscribeCoreAsync<string>(">", cancellationToken: TestContext.Current.CancellationToken);
        await listener.PingAsync(TestContext.Current.CancellationToken);

        await using var worker = WorkerHarness.Start(
            Guest.Binary(await File.ReadAllTextAsync(Repository.Sample("greeter.wat"), TestContext.Current.CancellationToken)),
            ["wasmcloud:identity/store@0.0.1", "wasmcloud:messaging/consumer@0.2.0"],
            nats: nats.Access,
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        var returned = await worker.MessageAsync<GuestReturned>();
        Assert.StartsWith("greeted as myself; payroll.salaries was refused: permission denied by nats-server: Permissions Violation for Publish to \"payroll.salaries\"", returned.Text, StringComparison.OrdinalIgnoreCase);
        Assert.True(returned.IsOk);
        Assert.Equal(["spiffe://example.org/nats", "spiffe://example.org/listener"], worker.Audiences);

        var greeting = await greetings.Msgs.ReadAsync(TestContext.Current.CancellationToken);
        Assert.Equal(("greetings.hello", "the-token"), (greeting.Subject, greeting.Data));
        Assert.Equal("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", greeting.Headers?["traceparent"].ToString());
    }

    [Theory]
    [MemberData(nameof(Releases))]
    public async Task Lets_a_guest_request_and_hands_it_the_answer(NatsRelease release)
    {
        await using var nats = await CalloutNats.StartAsync(NatsServerBinary.Get(release));
        await using var responder = nats.Connect(NatsAuthOpts.Default with { Token = "responder" });
        await using var requests = await responder.SubscribeCoreAsync<string>("aaa", cancellationToken: TestContext.Current.CancellationToken);
        await responder.PingAsync(TestContext.Current.CancellationToken);
        await using var worker = WorkerHarness.Start(
            Guest.Requesting(), ["wasmcloud:messaging/consumer@0.2.0"], nats: nats.Access with { InboxPrefix = "_INBOX.test" }, token: "requester");

        var request = await requests.Msgs.ReadAsync(TestContext.Current.CancellationToken);
        Assert.Equal("aaa", request.Data);
        Assert.StartsWith("_INBOX.test.", request.ReplyTo, StringComparison.Ordinal);
        await request.ReplyAsync("the answer", cancellationToken: TestContext.Current.CancellationToken);
        var returned = await worker.MessageAsync<GuestReturned>();
        Assert.Equal((true, "the answer"), (returned.IsOk, returned.Text));
    }

    [Theory]
    [InlineData("the-token", "permission denied by nats-server")]
    [InlineData("requester", "no reply")]
    public async Task Tells_a_guest_why_its_request_has_no_answer(string token, string problem)
    {
        await using var nats = await CalloutNats.StartAsync(NatsServerBinary.Newest);
        await using var worker = WorkerHarness.Start(
            Guest.Requesting(), ["wasmcloud:messaging/consumer@0.2.0"], nats: nats.Access with { InboxPrefix = "_INBOX.test" }, token: token);
        var returned = await worker.MessageAsync<GuestReturned>();
        Assert.False(returned.IsOk);
        Assert.Contains(problem, returned.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tells_the_guest_that_it_is_not_connected_when_nats_server_does_not_let_it_in()
    {
        await using var nats = await CalloutNats.StartAsync(NatsServerBinary.Newest);
        await using var worker = WorkerHarness.Start(
            Guest.Publishing(1), ["wasmcloud:messaging/consumer@0.2.0"], nats: nats.Access, token: "unknown");
        Assert.Contains("Authorization Violation", (await worker.MessageAsync<NatsChanged>()).Problem, StringComparison.OrdinalIgnoreCase);
        Assert.False((await worker.MessageAsync<GuestReturned>()).IsOk);
    }

    [Theory]
    [InlineData("spiffe://example.org/nats-server-2", "127.0.0.1", "showed the certificate of spiffe://example.org/nats-server-2; expected spiffe://example.org/nats-server")]
    [InlineData("spiffe://example.com/nats-server", "127.0.0.1", "there is no trust bundle for the trust domain example.com")]
    [InlineData("spiffe://example.org/nats-server", "127.0.0.2", "is not for the host of tls://127.0.0.1:")]
    [InlineData("https://example.org/nats-server", "127.0.0.1", "is not that of spiffe://example.org/nats-server")]
    public async Task Gives_no_token_to_a_server_that_is_not_nats_server(string id, string address, string problem)
    {
        await using var nats = await CalloutNats.StartAsync(NatsServerBinary.Newest, id, address);
        await using var worker = WorkerHarness.Start(Guest.Publishing(1), ["wasmcloud:messaging/consumer@0.2.0"], nats: nats.Access);
        Assert.Contains(problem, (await worker.MessageAsync<NatsChanged>()).Problem, StringComparison.Ordinal);
        Assert.False((await worker.MessageAsync<GuestReturned>()).IsOk);
        Assert.Empty(worker.Audiences);
    }

    /// <summary>nats-server with TLS and a responder that knows two tokens.</summary>
    private sealed class CalloutNats : IAsyncDisposable
    {
        private readonly string folder = Directory.CreateTempSubdirectory("nats-tls-").FullName;
        private readonly KeyPair issuer = KeyPair.CreatePair(NKeyPrefix.Account);
        private readonly CancellationTokenSource stop = new();
        private NatsServerProcess server = null!;
        private NatsConnection responder = null!;
        private Task responding = Task.CompletedTask;

        public string CaFile => Path.Combine(folder, "ca.pem");

        public string Url => $"tls://127.0.0.1:{server.Port}";

        public NatsAccess Access => new(Url, CaFile, "spiffe://example.org/nats", "spiffe://example.org/nats-server");

        public static async Task<CalloutNats> StartAsync(NatsServerBinary binary, string id = "spiffe://example.org/nats-server", string address = "127.0.0.1")
        {
            var nats = new CalloutNats();
            nats.WriteCertificates(id, address);
            nats.server = await NatsServerProcess.StartAsync(binary, $$"""
                listen: "127.0.0.1:-1"
                tls { cert_file: "{{nats.folder}}/server.pem", key_file: "{{nats.folder}}/server.key" }
                accounts { AUTH { users: [ { user: "callout", password: "test" } ] }, APP {} }
                authorization { timeout: 3, auth_callout { issuer: "{{nats.issuer.GetPublicKey()}}", auth_users: [ "callout" ], account: AUTH } }
                """);
            nats.responder = nats.Connect(NatsAuthOpts.Default with { Username = "callout", Password = "test" });
            var requests = await nats.responder.SubscribeCoreAsync<string>("$SYS.REQ.USER.AUTH");
            await nats.responder.PingAsync();
            nats.responding = nats.RespondAsync(requests);
            return nats;
        }

        public NatsConnection Connect(NatsAuthOpts auth) => new(NatsOpts.Default with
        {
            Url = Url,
            AuthOpts = auth,
            TlsOpts = new NatsTlsOpts { Mode = TlsMode.Require, InsecureSkipVerify = true }, // Which server a worker lets pass is what is tested.
        });

        public async ValueTask DisposeAsync()
        {
            await stop.CancelAsync();
            await responding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await responder.DisposeAsync();
            await server.DisposeAsync();
            issuer.Dispose();
            stop.Dispose();
            Directory.Delete(folder, recursive: true);
        }

        private async Task RespondAsync(INatsSub<string> requests)
        {
            await foreach (var request in requests.Msgs.ReadAllAsync(stop.Token))
            {
                using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(request.Data!.Split('.')[1]));
                var nats = claims.RootElement.GetProperty("nats");
                var (user, id) = (nats.GetProperty("user_nkey").GetString()!, nats.GetProperty("server_id").GetProperty("id").GetString()!);
                var allowed = nats.GetProperty("connect_opts").GetProperty("auth_token").GetString() switch
                {
                    "the-token" => """ "pub": { "allow": ["greetings.>"] }, "sub": { "deny": [">"] } """,
                    "requester" => """ "pub": { "allow": ["aaa"] }, "sub": { "allow": ["_INBOX.test.>"] } """,
                    "responder" => """ "pub": { "allow": [">"] }, "sub": { "allow": [">"] } """,
                    "listener" => """ "pub": { "deny": [">"] }, "sub": { "allow": [">"] } """,
                    _ => null,
                };
                var answer = allowed is null
                    ? """ "error": "unknown" """
                    : $$""" "jwt": "{{Sign($$"""{"iss":"{{issuer.GetPublicKey()}}","sub":"{{user}}","aud":"APP","name":"test","iat":1,"nats":{"type":"user","version":2,{{allowed}} } }""")}}" """;
                await request.ReplyAsync(Sign($$"""{"iss":"{{issuer.GetPublicKey()}}","sub":"{{user}}","aud":"{{id}}","iat":1,"nats":{"type":"authorization_response","version":2,{{answer}} } }"""));
            }
        }

        private string Sign(string claims) => Encoding.ASCII.GetString(NatsJwt.Sign(issuer, Encoding.UTF8.GetBytes(claims)));

        private void WriteCertificates(string id, string address)
        {
            var (from, to) = (TimeProvider.System.GetUtcNow().AddHours(-1), TimeProvider.System.GetUtcNow().AddHours(1));
            using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var rootRequest = new CertificateRequest("CN=root", rootKey, HashAlgorithmName.SHA256);
            rootRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            rootRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
            rootRequest.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(rootRequest.PublicKey, false));
            using var root = rootRequest.CreateSelfSigned(from, to);

            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=nats", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddUri(new Uri(id));
            names.AddIpAddress(System.Net.IPAddress.Parse(address));
            request.CertificateExtensions.Add(names.Build());
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], false));
            using var certificate = request.Create(root, from, to, [1]);
            File.WriteAllText(CaFile, root.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, "server.pem"), certificate.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, "server.key"), key.ExportPkcs8PrivateKeyPem());
        }
    }
}
