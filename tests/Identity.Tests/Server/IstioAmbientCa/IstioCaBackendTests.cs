using System.Security.Cryptography;
using Identity.Issuance;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.IstioAmbientCa;
using Identity.Server.Ledger;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;

namespace Identity.Tests.Server.IstioAmbientCa;

public sealed class IstioCaBackendTests : IDisposable
{
    private static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");
    private static readonly SpiffeId Greeter = SpiffeId.Parse("spiffe://example.org/ns/default/sa/greeter");

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));

    public static TheoryData<TimeSpan> Lifetimes => [TimeSpan.FromMinutes(5), TimeSpan.FromHours(1), TimeSpan.FromHours(24)];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Lifetimes))]
    public async Task Certificates_issued_together_end_apart_and_none_has_its_middle_near(TimeSpan lifetime)
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var ledger = await ControlPlaneLedger.OpenAsync(_folder.At("data"), _time, NullLogger<ControlPlaneLedger>.Instance, cancellation);
        var authority = await SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(_folder.At("data/keys"), SecretFiles.Unsealed), TrustDomain, _time, cancellation);
        var backend = new IstioCaBackend(authority, ledger, new DecisionLog(ledger, TrustDomain));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.True(SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out var problem), problem);

        var now = _time.GetUtcNow();
        var issued = await Task.WhenAll(Enumerable.Range(0, 32).Select(async _ =>
            Assert.IsType<MeshSigning.Issued>(await backend.SignAsync(Greeter, publicKey, lifetime, "kubernetes:istio-system/ztunnel", cancellation)).Svid));

        // 32 of at least 30 possible seconds: not all the same, and hardly ever fewer than a few.
        Assert.True(issued.Select(svid => svid.NotAfter).Distinct().Count() > 4);
        Assert.All(issued, svid =>
        {
            Assert.InRange(svid.NotAfter - now, (lifetime * 0.9) - TimeSpan.FromSeconds(1), lifetime);
            Assert.True(svid.NotBefore + ((svid.NotAfter - svid.NotBefore) / 2) > now + TimeSpan.FromMinutes(1));
        });
    }
}
