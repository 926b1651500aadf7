using System.Security.Cryptography;
using Identity.Server;
using Identity.Server.Authority;
using Identity.Server.Ledger;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Server.Authority;

/// <summary>A signing authority over a real ledger and key folder, with a clock of the test's own.</summary>
public abstract class SigningAuthorityTest : IDisposable
{
    protected static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");
    protected static readonly SpiffeId Workload = SpiffeId.Parse("spiffe://example.org/workload");

    protected static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();

    protected FakeTimeProvider Time { get; } = new(Now);

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected string Data => _folder.At("data");

    protected string Keys => _folder.At("data/keys");

    public void Dispose()
    {
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected static X509SigningRequest X509Request()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out var problem)
            ? new X509SigningRequest(Workload, publicKey, "server")
            : throw new InvalidOperationException(problem);
    }

    private protected static async Task<string> KeyIdAsync(SigningAuthority authority)
    {
        var svid = Assert.IsType<JwtSigning.Issued>(await authority.SignJwtAsync(new JwtSigningRequest(Workload, ["someone"], "server"), Cancellation)).Svid;
        return System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(svid.Token.Split('.')[0])).Split("\"kid\":\"")[1].Split('"')[0];
    }

    protected async Task MakeAsync()
    {
        await using var ledger = await OpenLedgerAsync();
        await OpenAsync(ledger);
    }

    protected async Task<string> RefusalAsync()
    {
        await using var ledger = await OpenLedgerAsync();
        return (await Assert.ThrowsAsync<CannotStartException>(() => OpenAsync(ledger))).Message;
    }

    private protected Task<ControlPlaneLedger> OpenLedgerAsync() =>
        ControlPlaneLedger.OpenAsync(Data, TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance, Cancellation);

    private protected Task<SigningAuthority> OpenAsync(ControlPlaneLedger ledger) =>
        SigningAuthority.OpenAsync(ledger, new AuthorityKeyFolder(Keys, SecretFiles.Unsealed), TrustDomain, Time, Cancellation);
}
