// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Identity.Server;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints.KubernetesAdmission;

/// <summary>The admission webhook over TLS, asked as an API server asks.</summary>
public sealed class AdmissionWebhookTests : IDisposable
{
    // Everything that the samples ask for, and no more.
    internal const string Policy = """
        kind: CapabilityPolicy
        name: shop
        rules:
          - name: cart
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/ns/shop/component/http", namespace: shop, imagePrefix: ghcr.io/acme }]
            capabilities:
              - start
              - export: wasi:http/incoming-handler
              - import: wasi:keyvalue/store@0.2.0
              - connect: "api.example.com:*"
              - resolve: api.example.com
              - config: db/host
              - config: LOG
              - config: configmap/cart-config
              - config: wasi/http/host
              - secret: cart-db
              - secret: registry
              - mount: /var/data
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("Workload")]
    [InlineData("WorkloadReplicaSet")]
    [InlineData("WorkloadDeployment")]
    public async Task Allows_what_policy_grants(string kind)
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("admission-listen", "127.0.0.1:0"));
        var response = await ReviewAsync(world, AdmissionSamples.Of(kind));
        Assert.True(response.GetProperty("allowed").GetBoolean(), response.ToString());
        Assert.Equal("705ab4f5-6393-11e8-b7cc-42010a800002", response.GetProperty("uid").GetString());
        var decision = world.DecisionIn(response.GetProperty("auditAnnotations").GetProperty("decision-id").GetString()!);
        Assert.Equal(("kubernetes-admission", "spiffe://example.org/ns/shop/component/http", true), (decision.Door, decision.Subject, decision.Allowed));
    }

    [Fact]
    public async Task What_cannot_be_kept_is_refused_with_an_id_and_its_health_says_so()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("admission-listen", "127.0.0.1:0"));
        Assert.Null(await BrokenFile.IllnessAsync(world, "kubernetes-admission"));
        BrokenFile.Break(world, "wasmcloud-workloads.db", "workloads");
        // The first that finds it so, and all that come later.
        foreach (var _ in new[] { 1, 2 })
        {
            var refused = await ReviewAsync(world, AdmissionSamples.Of("Workload"));
            Assert.False(refused.GetProperty("allowed").GetBoolean());
            var message = refused.GetProperty("status").GetProperty("message").GetString()!;
            Assert.Contains("policy permits it, but what is let through cannot be kept", message, StringComparison.Ordinal);
            Assert.Contains("identityd must be restarted", message, StringComparison.Ordinal);
            Assert.False(world.DecisionIn(message).Allowed);
            Assert.StartsWith("what is let through cannot be kept, so nothing new is", await BrokenFile.IllnessAsync(world, "kubernetes-admission"), StringComparison.Ordinal);
        }

        // What policy refuses says so, and what leaves may.
        var denied = await ReviewAsync(world, AdmissionSamples.Of("Workload").With("request.object.spec.components[0].image", "\"docker.io/evil/cart:1\""));
        Assert.DoesNotContain("cannot be kept", denied.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("components[0].localResources.allowedHosts", """["https://api.example.com","evil.example.com:443"]""", "connect evil.example.com:443")]
    [InlineData("components[0].localResources.allowedHosts", """["*"]""", "connect *:*")]
    [InlineData("components[0].localResources.allowedHosts", """["169.254.169.254"]""", "connect 169.254.169.254:*")]
    [InlineData("components[0].localResources.allowedHosts", """["https://api.example.com/v1"]""", "is not [scheme://]host[:port]")]
    [InlineData("components[0].localResources.allowedHosts", """["user@api.example.com"]""", "allowedHosts[0] has an '@'")]
    [InlineData("components[0].localResources.allowedIpNameLookups", """["*"]""", "resolve *")]
    [InlineData("components[0].localResources.allowedIpNameLookups", """["*.example.com"]""", "resolve *.example.com")]
    [InlineData("components[0].localResources.allowedHostLoopbackPorts", """["5432"]""", "connect host.wasmcloud.internal:5432")]
    [InlineData("components[0].localResources.allowedHostLoopbackPorts", """["53/udp"]""", "connect host.wasmcloud.internal:53/udp")]
    [InlineData("components[0].localResources.environment.secretFrom", """[{"name":"root"}]""", "secret root")]
    [InlineData("components[0].localResources.environment.configFrom", """[{"name":"other"}]""", "config configmap/other")]
    [InlineData("components[0].localResources.config", """{"db/password":"x"}""", "config db/password")]
    [InlineData("components[0].imagePullSecret", """{"name":"other"}""", "secret other")]
    [InlineData("components[0].image", "\"docker.io/evil/cart:1\"", "start")]
    [InlineData("components[0].image", "\"artifact://cart\"", "start")]
    [InlineData("components[0].name", "\"other\"", "spiffe://example.org/ns/shop/component/other")]
    [InlineData("components[0].name", "\"a/b\"", "cannot be part of a SPIFFE ID")]
    [InlineData("hostInterfaces[1].interfaces", """["store","atomics"]""", "import wasi:keyvalue/atomics@0.2.0")]
    [InlineData("hostInterfaces[1].version", "\"0.3.0\"", "import wasi:keyvalue/store@0.3.0")]
    [InlineData("hostInterfaces[1].package", "\"key value\"", "policy has no words for")]
    [InlineData("volumes[0].hostPath.path", "\"/\"", "mount /")]
    [InlineData("volumes[0].hostPath.path", "\"/var/data/../../etc\"", "policy has no words for")]
    [InlineData("service", """{"image":"ghcr.io/acme/side:1"}""", "spiffe://example.org/ns/shop/service")]
    [InlineData("surprise", "{}", "'surprise' is not known")]
    public async Task Denies_what_it_does_not_in_words_for_kubectl(string path, string value, string message)
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("admission-listen", "127.0.0.1:0"));
        var response = await ReviewAsync(world, AdmissionSamples.Deployment.With($"request.object.spec.template.spec.{path}", value));
        Assert.False(response.GetProperty("allowed").GetBoolean());
        Assert.Equal(403, response.GetProperty("status").GetProperty("code").GetInt32());
        var text = response.GetProperty("status").GetProperty("message").GetString()!;
        Assert.Contains(message, text, StringComparison.Ordinal);
        Assert.Contains("WorkloadDeployment shop/cart", text, StringComparison.Ordinal);
        Assert.Contains("ask `identity why d-", text, StringComparison.Ordinal);
        Assert.False(world.DecisionIn(text).Allowed);
    }

    [Theory]
    [InlineData("ghcr.io/acme/cart:1.2", true)]
    [InlineData("ghcr.io:443/acme/cart:1.2", true)]
    [InlineData("ghcr.io/acme/cart:1.2@sha256:1111111111111111111111111111111111111111111111111111111111111111", false)]
    [InlineData("ghcr.io/acme/cart@sha256:1111111111111111111111111111111111111111111111111111111111111111", false)]
    public async Task A_trusted_tag_before_a_foreign_digest_is_no_permit(string image, bool allowed)
    {
        await using var world = await DecisionWorld.StartAsync(Policy.Replace("imagePrefix: ghcr.io/acme", "image: ghcr.io/acme/cart:1.2", StringComparison.Ordinal), ("admission-listen", "127.0.0.1:0"));
        var response = await ReviewAsync(world, AdmissionSamples.Deployment.With("request.object.spec.template.spec.components[0].image", $"\"{image}\""));
        Assert.Equal(allowed, response.GetProperty("allowed").GetBoolean());
    }

    [Fact]
    public async Task An_interface_without_a_version_does_not_evade_a_forbid_of_some_version()
    {
        const string Forbid = "\n  - { name: no-store, effect: forbid, subjects: [{ namespace: shop }], capabilities: [{ import: \"wasi:keyvalue/*@0.2.0\" }] }";
        var open = Policy.Replace("import: wasi:keyvalue/store@0.2.0", "import: wasi:keyvalue/store", StringComparison.Ordinal);
        var review = AdmissionSamples.Deployment.With("request.object.spec.template.spec.hostInterfaces[1].version", null);
        await using var world = await DecisionWorld.StartAsync(open, ("admission-listen", "127.0.0.1:0"));
        Assert.True((await ReviewAsync(world, review)).GetProperty("allowed").GetBoolean());
        await world.ApplyAsync(open.TrimEnd() + Forbid);
        var response = await ReviewAsync(world, review);
        Assert.False(response.GetProperty("allowed").GetBoolean());
        Assert.Contains("import wasi:keyvalue/store", response.GetProperty("status").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_permit_of_one_port_is_not_one_of_the_port_that_a_host_drops()
    {
        await using var world = await DecisionWorld.StartAsync(Policy.Replace("api.example.com:*", "api.example.com:443", StringComparison.Ordinal), ("admission-listen", "127.0.0.1:0"));
        const string Hosts = "request.object.spec.template.spec.components[0].localResources.allowedHosts";
        Assert.True((await ReviewAsync(world, AdmissionSamples.Deployment.With(Hosts, """["api.example.com:443"]"""))).GetProperty("allowed").GetBoolean());
        var response = await ReviewAsync(world, AdmissionSamples.Deployment.With(Hosts, """["https://api.example.com:443"]"""));
        Assert.False(response.GetProperty("allowed").GetBoolean());
        Assert.Contains("connect api.example.com:*", response.GetProperty("status").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_in_an_allowed_host_is_in_no_answer_and_no_decision()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("admission-listen", "127.0.0.1:0"));
        var response = await ReviewAsync(world, AdmissionSamples.Deployment
            .With("request.object.spec.template.spec.components[0].localResources.allowedHosts", """["https://user:hunter2@db.example.com:443"]"""));
        Assert.False(response.GetProperty("allowed").GetBoolean());
        var decision = world.DecisionIn(response.GetProperty("status").GetProperty("message").GetString()!);
        Assert.DoesNotContain("hunter2", $"{response}{decision}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_review_that_is_all_wildcards_is_refused_unasked()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("admission-listen", "127.0.0.1:0"));
        var hosts = $"[{string.Join(',', Enumerable.Range(1, 1000).Select(port => $"\"*:{port}\""))}]";
        var response = await ReviewAsync(world, AdmissionSamples.Deployment.With("request.object.spec.template.spec.components[0].localResources.allowedHosts", hosts));
        Assert.False(response.GetProperty("allowed").GetBoolean());
        Assert.Contains("with a wildcard", response.GetProperty("status").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Denies_in_another_namespace_what_it_allows_in_one()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("admission-listen", "127.0.0.1:0"));
        Assert.False((await ReviewAsync(world, AdmissionSamples.Deployment.With("request.namespace", "\"other\""))).GetProperty("allowed").GetBoolean());
    }

    [Fact]
    public async Task Denies_everything_without_policy_and_says_the_smallest_grant_of_a_single_thing()
    {
        await using var world = await DecisionWorld.StartAsync(null, ("admission-listen", "127.0.0.1:0"));
        var response = await ReviewAsync(world, AdmissionSamples.Of("Workload")
            .With("request.object.spec", """{"components":[{"name":"http","image":"ghcr.io/acme/cart:1.2"}]}"""));
        var text = response.GetProperty("status").GetProperty("message").GetString()!;
        Assert.Contains("the smallest grant that would turn this", text, StringComparison.Ordinal);
        Assert.Contains("kind: CapabilityPolicy", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Warns_where_a_rule_in_mode_warn_speaks()
    {
        await using var world = await DecisionWorld.StartAsync(Policy.Replace("effect: permit", "effect: permit\n    mode: warn", StringComparison.Ordinal), ("admission-listen", "127.0.0.1:0"));
        var response = await ReviewAsync(world, AdmissionSamples.Deployment);
        Assert.True(response.GetProperty("allowed").GetBoolean());
        Assert.All(response.GetProperty("warnings").EnumerateArray(), warning => Assert.Contains("shop/cart", warning.GetString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_dry_run_is_decided_and_leaves_no_trace()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("admission-listen", "127.0.0.1:0"));
        var before = world.Server.Decisions.List(1000, deniedOnly: false).Count;
        var dry = AdmissionSamples.Deployment.With("request.dryRun", "true");
        Assert.True((await ReviewAsync(world, dry)).GetProperty("allowed").GetBoolean());
        var denied = await ReviewAsync(world, dry.With("request.namespace", "\"other\""));
        Assert.False(denied.GetProperty("allowed").GetBoolean());
        Assert.DoesNotContain("d-", denied.GetProperty("status").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.False((await ReviewAsync(world, dry.With("request.kind.kind", "\"Pod\""))).GetProperty("allowed").GetBoolean());
        Assert.Equal(before, world.Server.Decisions.List(1000, deniedOnly: false).Count);
    }

    [Fact]
    public async Task What_runs_may_lose_its_finalizer_and_shrink_after_policy_has_turned_on_it()
    {
        await using var world = await DecisionWorld.StartAsync(null, ("admission-listen", "127.0.0.1:0"));
        Assert.True((await ReviewAsync(world, AdmissionSamples.Update.With("request.object.metadata.finalizers", "[]"))).GetProperty("allowed").GetBoolean());
        Assert.True((await ReviewAsync(world, AdmissionSamples.Update.With("request.object.spec.replicas", "0"))).GetProperty("allowed").GetBoolean());
        Assert.False((await ReviewAsync(world, AdmissionSamples.Update.With("request.object.spec.replicas", "3"))).GetProperty("allowed").GetBoolean());
    }

    [Fact]
    public async Task What_is_no_review_gets_no_review_for_an_answer()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("admission-listen", "127.0.0.1:0"));
        using var server = ApiServer(world, null);
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync("", "/validate"));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync("{\"kind\":\"AdmissionReview\"", "/validate"));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(AdmissionSamples.Deployment.With("request.uid", null), "/validate"));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(AdmissionSamples.Deployment.With("apiVersion", "\"admission.k8s.io/v1beta1\""), "/validate"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(AdmissionSamples.Deployment, "/"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(AdmissionSamples.Deployment, "/access/v1/evaluation"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await StatusAsync(new string(' ', (8 << 20) + 1), "/validate"));
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/validate")).StatusCode);

        async Task<HttpStatusCode> StatusAsync(string body, string path)
        {
            // Asks before it sends: whoever does not may find the connection closed instead of the answer.
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            request.Headers.ExpectContinue = true;
            using var response = await server.SendAsync(request);
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task Shows_a_certificate_of_files_and_reads_it_again_when_it_was_renewed()
    {
        var first = WriteCertificate("CN=first");
        await using var world = await DecisionWorld.StartAsync(
            Policy, ("admission-listen", "127.0.0.1:0"), ("admission-certificate-file", _folder.At("tls.crt")), ("admission-key-file", _folder.At("tls.key")));
        Assert.Equal(first, await ShownAsync(world));
        var second = WriteCertificate("CN=second");
        Assert.Equal(second, await ShownAsync(world));
        await File.WriteAllTextAsync(_folder.At("tls.crt"), "half written");
        Assert.Equal(second, await ShownAsync(world));
    }

    [Fact]
    public async Task A_certificate_that_cannot_be_read_keeps_the_server_from_starting()
    {
        await File.WriteAllTextAsync(_folder.At("tls.crt"), "no certificate");
        var refusal = await Assert.ThrowsAsync<CannotStartException>(() => DecisionWorld.StartAsync(
            null, ("admission-listen", "127.0.0.1:0"), ("admission-certificate-file", _folder.At("tls.crt")), ("admission-key-file", _folder.At("tls.key"))));
        Assert.Contains("--admission-certificate-file", refusal.Message, StringComparison.Ordinal);
        refusal = await Assert.ThrowsAsync<CannotStartException>(() => DecisionWorld.StartAsync(
            null, ("admission-listen", "127.0.0.1:0"), ("admission-client-ca-file", _folder.At("tls.crt"))));
        Assert.Contains("--admission-client-ca-file", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_CA_given_only_its_clients_are_answered()
    {
        using var ca = Authority("CN=apiserver-ca");
        using var other = Authority("CN=other-ca");
        await File.WriteAllTextAsync(_folder.At("ca.crt"), ca.ExportCertificatePem());
        await using var world = await DecisionWorld.StartAsync(Policy, ("admission-listen", "127.0.0.1:0"), ("admission-client-ca-file", _folder.At("ca.crt")));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(Client(ca, "1.3.6.1.5.5.7.3.2")));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(null));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(Client(other, "1.3.6.1.5.5.7.3.2")));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(Client(ca, "1.3.6.1.5.5.7.3.1")));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync((await world.Server.MintAsync("spiffe://example.org/x")).TargetCertificate));

        async Task<HttpStatusCode> StatusAsync(X509Certificate2? certificate)
        {
            using var server = ApiServer(world, certificate);
            using var response = await server.PostAsync("/validate", new StringContent(AdmissionSamples.Deployment, Encoding.UTF8, "application/json"));
            return response.StatusCode;
        }
    }

    internal static async Task<JsonElement> ReviewAsync(DecisionWorld world, string body, X509Certificate2? certificate = null)
    {
        using var server = ApiServer(world, certificate);
        using var response = await server.PostAsync("/validate?timeout=10s", new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        var review = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal("admission.k8s.io/v1", review.GetProperty("apiVersion").GetString());
        Assert.Equal("AdmissionReview", review.GetProperty("kind").GetString());
        return review.GetProperty("response");
    }

    // An API server verifies the name against the caBundle of its configuration; here that is our bundle, by the platform's own chain.
    private static HttpClient ApiServer(DecisionWorld world, X509Certificate2? certificate) => new(new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            ClientCertificates = certificate is null ? [] : [certificate],
            LocalCertificateSelectionCallback = certificate is null ? null : (_, _, _, _, _) => certificate,
            RemoteCertificateValidationCallback = (_, leaf, chain, errors) =>
                (errors & SslPolicyErrors.RemoteCertificateNameMismatch) == 0 && LeadsToBundle(world, (X509Certificate2)leaf!, chain!),
        },
    })
    { BaseAddress = new Uri($"https://localhost:{world.Server.Listeners.Admission!.Port}") };

    private static bool LeadsToBundle(DecisionWorld world, X509Certificate2 leaf, X509Chain sent)
    {
        using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
        Assert.True(world.Bundles.TryGet(TrustDomain.Parse("example.org"), out var bundle));
        foreach (var authority in bundle.X509Authorities) chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
        return chain.Build(leaf);
    }

    private static async Task<string> ShownAsync(DecisionWorld world)
    {
        string? shown = null;
        using var client = new HttpClient(new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, leaf, _, _) =>
                {
                    shown = leaf?.Subject;
                    return leaf is not null;
                },
            },
        });
        await client.GetAsync($"https://{world.Server.Listeners.Admission}/");
        return shown!;
    }

    private string WriteCertificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest(name, key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(100));
        File.WriteAllText(_folder.At("tls.key"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(_folder.At("tls.crt"), certificate.ExportCertificatePem());
        return name;
    }

    internal static string AuthorityPem(string name)
    {
        using var authority = Authority(name);
        return authority.ExportCertificatePem();
    }

    internal static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(100));
    }

    internal static X509Certificate2 Client(X509Certificate2 authority, string use = "1.3.6.1.5.5.7.3.2")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kube-apiserver", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], false));
        return request.Create(authority, DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(99), RandomNumberGenerator.GetBytes(8)).CopyWithPrivateKey(key);
    }
}
