using System.Collections.Concurrent;
using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Identity.Issuance;
using Identity.Server.IstioAmbientCa;
using Identity.Testing.Mesh;
using Identity.Tests.Server.NatsAuthCallout;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Spiffe.Net;

namespace Identity.Tests.Server.IstioAmbientCa;

/// <summary>The CA on a real TLS socket, asked by a client shaped like ztunnel.</summary>
public sealed class IstioCertificateServiceTests : IAsyncLifetime, IIstioCaBackend
{
    private const string Greeter = "spiffe://example.org/ns/default/sa/greeter";

    private static readonly TimeSpan Day = TimeSpan.FromHours(24);

    private readonly KubernetesTokenIssuer _cluster = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("istio-").FullName;
    private readonly TestX509 _x509 = TestX509.Create(TrustDomain.Parse("example.org"), TimeProvider.System.GetUtcNow());
    private readonly ConcurrentQueue<Identity.V1.Decision> _decisions = [];
    private WebApplication? _app;
    private Uri? _address;

    public TrustDomain TrustDomain { get; } = TrustDomain.Parse("example.org");

    [Fact]
    public async Task A_ztunnel_gets_the_certificate_of_a_pod_on_its_node_and_accepts_it()
    {
        using var ztunnel = Ztunnel();
        var certificate = await ztunnel.FetchAsync(Greeter, Day, TestContext.Current.CancellationToken);
        Assert.True(certificate.Leaf.NotAfter - certificate.Leaf.NotBefore <= Day + TimeSpan.FromMinutes(2));
        Assert.Single(certificate.Intermediates);
        Assert.Single(certificate.Roots);
        Assert.Contains(_decisions, decision => decision.Allowed && decision.Subject == Greeter);
    }

    [Fact]
    public async Task A_service_account_that_is_not_on_the_node_is_refused_and_the_refusal_explains_itself()
    {
        using var ztunnel = Ztunnel();
        var error = await RefusedAsync(ztunnel, "spiffe://example.org/ns/default/sa/ledger");
        Assert.Equal(StatusCode.PermissionDenied, error.StatusCode);
        Assert.Contains("default/ledger", error.Status.Detail, StringComparison.Ordinal);
        Assert.Contains("worker-1", error.Status.Detail, StringComparison.Ordinal);
        Assert.Contains("(decision d-", error.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_impersonated_identity_the_caller_gets_its_own()
    {
        using var waypoint = Client(Token("default", "waypoint", "waypoint-1", "uid-w"));
        var certificate = await waypoint.FetchAsync(null, TimeSpan.FromHours(1), TestContext.Current.CancellationToken);
        Assert.Contains("spiffe://example.org/ns/default/sa/waypoint", System.Text.Encoding.ASCII.GetString(certificate.Leaf.Extensions["2.5.29.17"]!.RawData), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_caller_without_a_good_token()
    {
        foreach (var token in (string[])["", "garbage", _cluster.Token("istio-system", "ztunnel", "ztunnel-a", "uid-a", "worker-1", TimeProvider.System.GetUtcNow(), audience: "vault")])
        {
            using var client = Client(token);
            Assert.Equal(StatusCode.Unauthenticated, (await RefusedAsync(client, Greeter)).StatusCode);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")]
    [InlineData("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    public async Task Refuses_what_is_no_certificate_request(string csr)
    {
        using var ztunnel = Ztunnel();
        Assert.Equal(StatusCode.InvalidArgument, (await RefusedAsync(ztunnel, Greeter, csr)).StatusCode);
    }

    [Fact]
    public async Task Refuses_a_request_that_names_another_identity_than_it_asks_for()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var ztunnel = Ztunnel();
        Assert.Equal(StatusCode.InvalidArgument, (await RefusedAsync(ztunnel, Greeter, ZtunnelClient.Csr(key, "spiffe://example.org/ns/kube-system/sa/admin"))).StatusCode);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    [InlineData(100_000_000)]
    public async Task However_long_was_asked_for_the_middle_of_the_lifetime_is_in_the_future(long seconds)
    {
        using var ztunnel = Ztunnel();
        var certificate = await ztunnel.FetchAsync(Greeter, TimeSpan.FromSeconds(seconds), TestContext.Current.CancellationToken);
        var middle = certificate.Leaf.NotBefore + ((certificate.Leaf.NotAfter - certificate.Leaf.NotBefore) / 2);
        Assert.True(middle.ToUniversalTime() > TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(1));
    }

    [Fact]
    public async Task A_loop_of_requests_is_slowed_and_other_identities_are_not()
    {
        using var ztunnel = Ztunnel();
        for (var i = 0; i < 10; i++) await ztunnel.FetchAsync(Greeter, Day, TestContext.Current.CancellationToken);
        Assert.Equal(StatusCode.ResourceExhausted, (await RefusedAsync(ztunnel, Greeter)).StatusCode);
        await ztunnel.FetchAsync("spiffe://example.org/ns/istio-system/sa/ztunnel", Day, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Without_its_files_it_refuses_everyone_and_says_what_to_put_where_and_heals_when_they_come()
    {
        var file = Path.Combine(_folder, "placement.json");
        var placement = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
        using var ztunnel = Ztunnel();
        File.Delete(file);
        var error = await RefusedAsync(ztunnel, Greeter);
        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
        Assert.Contains(file, error.Status.Detail, StringComparison.Ordinal);

        await File.WriteAllTextAsync(file, "{", TestContext.Current.CancellationToken);
        Assert.Equal(StatusCode.Unavailable, (await RefusedAsync(ztunnel, Greeter)).StatusCode);
        await File.WriteAllTextAsync(file, placement, TestContext.Current.CancellationToken);
        await ztunnel.FetchAsync(Greeter, Day, TestContext.Current.CancellationToken);
    }

    string IIstioCaBackend.Record(Identity.V1.Decision decision)
    {
        _decisions.Enqueue(decision);
        return $"d-{_decisions.Count:d26}";
    }

    Task<MeshSigning> IIstioCaBackend.SignAsync(SpiffeId id, SubjectPublicKey publicKey, TimeSpan lifetime, string requester, CancellationToken cancellation)
    {
        var prepared = Assert.IsType<X509SvidPreparation.Prepared>(_x509.Issuer.Prepare(new X509SvidRequest(id, publicKey) { Lifetime = lifetime }, TimeProvider.System.GetUtcNow()));
        return Task.FromResult<MeshSigning>(new MeshSigning.Issued(_x509.Issuer.Issue(prepared.Draft), _x509.Root.ExportCertificatePem() + "\n"));
    }

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "jwks.json"), _cluster.Jwks());
        await File.WriteAllTextAsync(Path.Combine(_folder, "placement.json"), $$"""
            {"issuer":"{{_cluster.Issuer}}","trustedNodeAccounts":["istio-system/ztunnel"],"pods":[
              {"namespace":"istio-system","serviceAccount":"ztunnel","node":"worker-1","podName":"ztunnel-a","podUid":"uid-a"},
              {"namespace":"default","serviceAccount":"greeter","node":"worker-1","podName":"greeter-1","podUid":"uid-1"},
              {"namespace":"default","serviceAccount":"ledger","node":"worker-2","podName":"ledger-1","podUid":"uid-2"}]}
            """);
        var (certificate, key) = _x509.WriteServer(_folder, SpiffeId.Parse("spiffe://example.org/spire/server"), TimeProvider.System.GetUtcNow());
        using var withKey = X509Certificate2.CreateFromPemFile(certificate, key);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(certificate);
        var server = X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null);

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            listen.UseHttps(https =>
            {
                https.SslProtocols = SslProtocols.Tls13;
                https.ServerCertificate = server;
                https.ServerCertificateChain = chain;
            });
        }));
        builder.Services.AddGrpc();
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.AddIstioAmbientCa(new IstioAmbientCaOptions { Folder = _folder });
        builder.Services.AddSingleton<IIstioCaBackend>(this);
        _app = builder.Build();
        _app.MapIstioAmbientCa();
        await _app.StartAsync();
        var listening = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        _address = new Uri($"https://localhost:{listening.Port}");
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null) await _app.DisposeAsync();
        _cluster.Dispose();
        _x509.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private ZtunnelClient Ztunnel() => Client(Token("istio-system", "ztunnel", "ztunnel-a", "uid-a"));

    private ZtunnelClient Client(string token) => new(_address!, [_x509.Root], token);

    private string Token(string space, string account, string pod, string uid) =>
        _cluster.Token(space, account, pod, uid, "worker-1", TimeProvider.System.GetUtcNow());

    private static Task<RpcException> RefusedAsync(ZtunnelClient client, string identity, string? csr = null) =>
        Assert.ThrowsAsync<RpcException>(() => client.FetchAsync(identity, Day, TestContext.Current.CancellationToken, csr));
}
