// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Identity.Server.SvidSigning;
using Spiffe.Net;
using Spire.Api.Server.Entry.V1;
using Spire.Api.Server.Svid.V1;
using Spire.Api.Types;
using EntryClient = Spire.Api.Server.Entry.V1.Entry.EntryClient;
using EntryMessage = Spire.Api.Types.Entry;

namespace Identity.Tests.Server.SvidSigning;

public sealed class SvidServiceTests : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose() => _key.Dispose();

    [Fact]
    public async Task Signs_what_the_entry_says_and_nothing_that_the_request_says()
    {
        await using var server = await RegistryServer.StartAsync();
        var agent = await server.AttestAsync();
        var entry = await EntryAsync(server, "/workload", "/nodes/local");
        var greedy = new CertificateRequest("CN=admin", _key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri("spiffe://example.org/spire/server"));
        names.AddDnsName("admin.example.org");
        greedy.CertificateExtensions.Add(names.Build());
        greedy.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));

        var svid = (await NewAsync(agent, (entry, greedy.CreateSigningRequest()))).Results[0].Svid;
        using var leaf = X509CertificateLoader.LoadCertificate(svid.CertChain[0].Span);
        Assert.Equal("/workload", svid.Id.Path);
        Assert.DoesNotContain("admin", leaf.Subject, StringComparison.Ordinal);
        var san = leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single();
        Assert.Empty(san.EnumerateDnsNames());
        Assert.False(leaf.Extensions.OfType<X509BasicConstraintsExtension>().Single().CertificateAuthority);
    }

    [Fact]
    public async Task Refuses_entries_that_are_not_below_the_caller_and_says_no_more_than_of_those_that_do_not_exist()
    {
        await using var server = await RegistryServer.StartAsync();
        var agent = await server.AttestAsync();
        var foreign = await EntryAsync(server, "/foreign", "/nodes/other");

        var results = (await NewAsync(agent, (foreign, Csr()), ("no-such-entry", Csr()), ("", Csr()))).Results;
        Assert.All(results, result => Assert.Equal(((int)StatusCode.NotFound, results[0].Status.Message, null), (result.Status.Code, result.Status.Message, result.Svid)));
        foreach (var id in new[] { foreign, "no-such-entry", "" })
        {
            await RefusedAsync(StatusCode.NotFound, () => new SVID.SVIDClient(agent.Invoker).NewJWTSVIDAsync(new() { EntryId = id, Audience = { "a" } }).ResponseAsync);
        }
    }

    [Fact]
    public async Task A_token_that_cannot_be_made_now_is_no_fault_of_the_request()
    {
        await using var server = await RegistryServer.StartAsync();
        var agent = await server.AttestAsync();
        var entry = await EntryAsync(server, "/workload", "/nodes/local");
        var client = new SVID.SVIDClient(agent.Invoker);
        await RefusedAsync(StatusCode.InvalidArgument, () => client.NewJWTSVIDAsync(new() { EntryId = entry, Audience = { "\u0001" } }).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, () => client.NewJWTSVIDAsync(new() { EntryId = entry }).ResponseAsync);

        // The clock went back to before the authority began.
        server.Time.Shift = TimeSpan.FromDays(-1);
        await RefusedAsync(StatusCode.FailedPrecondition, () => client.NewJWTSVIDAsync(new() { EntryId = entry, Audience = { "a" } }).ResponseAsync);
    }

    [Fact]
    public async Task Answers_the_others_when_one_request_of_a_batch_is_broken()
    {
        await using var server = await RegistryServer.StartAsync();
        var agent = await server.AttestAsync();
        var entry = await EntryAsync(server, "/workload", "/nodes/local");
        var results = (await NewAsync(agent, (entry, [1, 2, 3]), (entry, Csr()), (entry, []))).Results;
        Assert.Equal([(int)StatusCode.InvalidArgument, 0, (int)StatusCode.InvalidArgument], results.Select(result => result.Status.Code));
        Assert.StartsWith("csr: ", results[0].Status.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(SvidService.MaxBatch + 1)]
    public async Task Refuses_a_batch_that_is_empty_or_too_large(int count)
    {
        await using var server = await RegistryServer.StartAsync();
        var agent = await server.AttestAsync();
        var request = new BatchNewX509SVIDRequest();
        for (var i = 0; i < count; i++) request.Params.Add(new NewX509SVIDParams { EntryId = "e" });
        var refused = await RefusedAsync(StatusCode.InvalidArgument, () => new SVID.SVIDClient(agent.Invoker).BatchNewX509SVIDAsync(request).ResponseAsync);
        Assert.Contains("expected 1 to 500", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_batch_of_more_than_500_entries()
    {
        await using var server = await RegistryServer.StartAsync();
        var request = new BatchCreateEntryRequest();
        for (var i = 0; i <= 500; i++) request.Entries.Add(Wanted($"/w{i}", "/nodes/local"));
        var refused = await RefusedAsync(StatusCode.InvalidArgument, () => new EntryClient(server.Admin).BatchCreateEntryAsync(request).ResponseAsync);
        Assert.Contains("500", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Empty((await new EntryClient(server.Admin).ListEntriesAsync(new())).Entries);
    }

    [Fact]
    public async Task Signs_for_nobody_but_attested_agents_and_mints_for_nobody_but_operators()
    {
        await using var server = await RegistryServer.StartAsync();
        var agent = await server.AttestAsync();
        var entry = await EntryAsync(server, "/workload", "/nodes/local");
        var one = new BatchNewX509SVIDRequest { Params = { new NewX509SVIDParams { EntryId = entry, Csr = ByteString.CopyFrom(Csr()) } } };
        await RefusedAsync(StatusCode.PermissionDenied, () => new SVID.SVIDClient(server.Admin).BatchNewX509SVIDAsync(one).ResponseAsync);
        var stranger = await Assert.ThrowsAsync<RpcException>(() => new SVID.SVIDClient(server.Anonymous).BatchNewX509SVIDAsync(one).ResponseAsync);
        Assert.True(stranger.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied, stranger.Status.ToString());
        await RefusedAsync(StatusCode.PermissionDenied, () => new SVID.SVIDClient(agent.Invoker).MintJWTSVIDAsync(new()
        {
            Id = new SPIFFEID { TrustDomain = "example.org", Path = "/a" },
            Audience = { "a" },
        }).ResponseAsync);
    }

    [Theory]
    [InlineData("example.org", "/spire/server", 0, "reserved")]
    [InlineData("example.org", "/spire/agent/join_token/x", 0, "reserved")]
    [InlineData("elsewhere.example", "/a", 0, "")]
    [InlineData("example.org", "/a", -1, "ttl is -1")]
    [InlineData("example.org", "/a/", 0, "")]
    public async Task Mints_no_identity_that_only_attestation_may_give(string domain, string path, int ttl, string why)
    {
        await using var server = await RegistryServer.StartAsync();
        var refused = await RefusedAsync(StatusCode.InvalidArgument, () => new SVID.SVIDClient(server.Admin).MintJWTSVIDAsync(new()
        {
            Id = new SPIFFEID { TrustDomain = domain, Path = path },
            Audience = { "a" },
            Ttl = ttl,
        }).ResponseAsync);
        Assert.Contains(why, refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_issued_for_an_entry_outlives_it()
    {
        await using var server = await RegistryServer.StartAsync(("wit-svid", "true"));
        var agent = await server.AttestAsync();
        var wanted = Wanted("/workload", "/nodes/local");
        wanted.ExpiresAt = server.Time.GetUtcNow().AddMinutes(2).ToUnixTimeSeconds();
        wanted.X509SvidTtl = 3600;
        var byDefault = Wanted("/another", "/nodes/local");
        byDefault.ExpiresAt = wanted.ExpiresAt;
        var created = (await new EntryClient(server.Admin).BatchCreateEntryAsync(new() { Entries = { wanted, byDefault } })).Results.Select(result => result.Entry.Id).ToList();
        var jwk = SpiffeNet.WitForge.KeyOf(ECDsa.Create(ECCurve.NamedCurves.nistP256)).ToJwk();

        foreach (var entry in created)
        {
            var x509 = (await NewAsync(agent, (entry, Csr()))).Results[0].Svid;
            var jwt = (await new SVID.SVIDClient(agent.Invoker).NewJWTSVIDAsync(new() { EntryId = entry, Audience = { "a" } })).Svid;
            var wit = (await new V1.WitSigning.WitSigningClient(agent.Invoker).NewWitSvidAsync(new() { EntryId = entry, Jwk = ByteString.CopyFrom(jwk) })).Svid;
            using var leaf = X509CertificateLoader.LoadCertificate(x509.CertChain[0].Span);
            Assert.Equal(wanted.ExpiresAt, new DateTimeOffset(leaf.NotAfter.ToUniversalTime()).ToUnixTimeSeconds());
            Assert.Equal((wanted.ExpiresAt, wanted.ExpiresAt, wanted.ExpiresAt), (x509.ExpiresAt, jwt.ExpiresAt, wit.ExpiresAt));
        }

        // Too little is left to be worth a signature.
        server.Time.Shift = TimeSpan.FromSeconds(112);
        Assert.Equal((int)StatusCode.FailedPrecondition, (await NewAsync(agent, (created[0], Csr()))).Results[0].Status.Code);
        await RefusedAsync(StatusCode.FailedPrecondition, () => new SVID.SVIDClient(agent.Invoker).NewJWTSVIDAsync(new() { EntryId = created[0], Audience = { "a" } }).ResponseAsync);
        await RefusedAsync(
            StatusCode.FailedPrecondition,
            () => new V1.WitSigning.WitSigningClient(agent.Invoker).NewWitSvidAsync(new() { EntryId = created[0], Jwk = ByteString.CopyFrom(jwk) }).ResponseAsync);
    }

    private byte[] Csr() => RegistryServer.Csr(_key);

    private static async Task<BatchNewX509SVIDResponse> NewAsync(TestAgent agent, params (string Entry, byte[] Csr)[] wishes)
    {
        var request = new BatchNewX509SVIDRequest();
        request.Params.AddRange(wishes.Select(wish => new NewX509SVIDParams { EntryId = wish.Entry, Csr = ByteString.CopyFrom(wish.Csr) }));
        return await new SVID.SVIDClient(agent.Invoker).BatchNewX509SVIDAsync(request);
    }

    private static async Task<string> EntryAsync(RegistryServer server, string path, string parent) =>
        (await new EntryClient(server.Admin).BatchCreateEntryAsync(new() { Entries = { Wanted(path, parent) } })).Results[0].Entry.Id;

    private static EntryMessage Wanted(string path, string parent) => new()
    {
        SpiffeId = new SPIFFEID { TrustDomain = "example.org", Path = path },
        ParentId = new SPIFFEID { TrustDomain = "example.org", Path = parent },
        Selectors = { new Selector { Type = "unix", Value = "uid:1" } },
    };

    private static async Task<RpcException> RefusedAsync(StatusCode expected, Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(call);
        Assert.Equal((expected, refused.Status.Detail), (refused.StatusCode, refused.Status.Detail));
        return refused;
    }
}
