using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Identity.Ledger.V1;
using Identity.Server.Bundles;
using Identity.Server.Ledger;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using AuthorityRecord = Identity.Ledger.V1.Authority;
using Kind = Identity.Ledger.V1.Authority.Types.Kind;
using State = Identity.Ledger.V1.Authority.Types.State;

namespace Identity.Tests.Server.Bundles;

public sealed class RevocationListsTests : IAsyncLifetime, IDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(Start);
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private X509Certificate2 _issuing = null!;
    private ControlPlaneLedger _ledger = null!;
    private RevocationLists _lists = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string, Func<RevocationListsTests, byte[]>> Refused => new()
    {
        { "0 bytes", _ => [] },
        { "1048577 bytes", _ => new byte[(1 << 20) + 1] },
        { "not a DER", _ => [1, 2, 3] },
        { "not a DER", t => [.. t.List(1), 0] },
        { "not a DER", t => t.List(1)[..^1] },
        { "no X.509 authority", t => t.List(1, by: Stranger()) },
        { "no X.509 authority", t => t.List(1, by: Namesake()) },
        { "no X.509 authority", t => Spoil(t.List(1), fromEnd: 1) },
        { "in the future", t => t.List(1, from: Start.AddMinutes(6)) },
        { "ended at", t => t.List(1, from: Start.AddDays(-2), until: Start) },
        { "critical extension 2.5.29.27", t => t.Signed(new() { CriticalExtension = "2.5.29.27" }) },
        { "critical extension 2.5.29.28", t => t.Signed(new() { CriticalExtension = "2.5.29.28" }) },
        { "critical extension; indirect", t => t.Signed(new() { CriticalEntryExtension = "2.5.29.29" }) },
        { "no CRL number", t => t.Signed(new()) },
        { "does not say when the next", t => t.Signed(new() { HasNextUpdate = false }) },
    };

    public async ValueTask InitializeAsync()
    {
        _issuing = Certificate("CN=issuing", _key, X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign);
        _ledger = await ControlPlaneLedger.OpenAsync(_folder.At("data"), _time, NullLogger<ControlPlaneLedger>.Instance, Cancellation);
        _lists = new RevocationLists(_ledger, _time);
        await RecordAsync("issuing", _issuing);
    }

    public async ValueTask DisposeAsync()
    {
        await _ledger.DisposeAsync();
        _issuing.Dispose();
        _key.Dispose();
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public async Task Refuses_a_list_and_names_what_is_wrong(string expected, Func<RevocationListsTests, byte[]> make)
    {
        var refused = Assert.IsType<RevocationAnswer.Refused>(await _lists.SetAsync(make(this), "admin", Cancellation));

        Assert.Contains(expected, refused.Problem, StringComparison.Ordinal);
        Assert.Empty(_ledger.State.Crls);
    }

    [Fact]
    public async Task Keeps_the_newest_list_of_an_authority_and_refuses_an_older_one()
    {
        var first = List(5);
        Assert.IsType<RevocationAnswer.Accepted>(await _lists.SetAsync(first, "admin", Cancellation));
        var revision = _ledger.State.Revision;
        Assert.IsType<RevocationAnswer.Accepted>(await _lists.SetAsync(first, "admin", Cancellation));
        Assert.Equal(revision, _ledger.State.Revision);

        Assert.IsType<RevocationAnswer.Outdated>(await _lists.SetAsync(List(4), "admin", Cancellation));
        Assert.IsType<RevocationAnswer.Outdated>(await _lists.SetAsync(List(5, until: Start.AddDays(9)), "admin", Cancellation));
        Assert.IsType<RevocationAnswer.Outdated>(await _lists.SetAsync(List(6, from: Start.AddDays(-1)), "admin", Cancellation));
        Assert.Equal(first, _ledger.State.Crls["issuing"].Der.ToByteArray());

        var newer = List(6, revoked: 2);
        var accepted = Assert.IsType<RevocationAnswer.Accepted>(await _lists.SetAsync(newer, "admin", Cancellation));
        Assert.Equal(("issuing", 2), (accepted.List.AuthorityId, accepted.List.Revoked));
        Assert.Equal(newer, Assert.Single(_ledger.State.Crls.Values).Der.ToByteArray());
    }

    [Fact]
    public async Task Keeps_a_list_of_each_authority_and_drops_it_with_the_authority()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=second", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using var second = request.CreateSelfSigned(Start.AddDays(-1), Start.AddDays(30));
        await RecordAsync("second", second);
        await _lists.SetAsync(List(1), "admin", Cancellation);

        var builder = new CertificateRevocationListBuilder();
        Assert.IsType<RevocationAnswer.Accepted>(await _lists.SetAsync(
            builder.Build(second, BigInteger.One, Start.AddDays(1), HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1, Start), "admin", Cancellation));
        Assert.Equal(["issuing", "second"], _ledger.State.Crls.Keys);

        await AppendAsync(new Change { AuthorityDeleted = "second" });
        Assert.Equal(["issuing"], _ledger.State.Crls.Keys);
    }

    [Fact]
    public async Task Refuses_a_list_by_an_authority_that_may_not_sign_lists()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificates = Certificate("CN=no lists", key, X509KeyUsageFlags.KeyCertSign);
        await RecordAsync("no-lists", certificates);
        // The base library would not sign with that certificate; with its twin it does, and name and key are the same.
        using var twin = Certificate("CN=no lists", key, X509KeyUsageFlags.CrlSign);

        var refused = Assert.IsType<RevocationAnswer.Refused>(await _lists.SetAsync(List(1, by: twin), "admin", Cancellation));

        Assert.Contains("no X.509 authority", refused.Problem, StringComparison.Ordinal);
    }

    private static X509Certificate2 Stranger() => Certificate("CN=stranger", ECDsa.Create(ECCurve.NamedCurves.nistP256), X509KeyUsageFlags.CrlSign);

    /// <summary>Another key under the authority's name.</summary>
    private static X509Certificate2 Namesake() => Certificate("CN=issuing", ECDsa.Create(ECCurve.NamedCurves.nistP256), X509KeyUsageFlags.CrlSign);

    private static X509Certificate2 Certificate(string name, ECDsa key, X509KeyUsageFlags usage)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request.CreateSelfSigned(Start.AddDays(-1), Start.AddDays(30));
    }

    private byte[] List(int number, DateTimeOffset? from = null, DateTimeOffset? until = null, int revoked = 0, X509Certificate2? by = null)
    {
        var builder = new CertificateRevocationListBuilder();
        for (byte serial = 1; serial <= revoked; serial++) builder.AddEntry([serial], Start, X509RevocationReason.KeyCompromise);
        return builder.Build(by ?? _issuing, number, until ?? Start.AddDays(1), HashAlgorithmName.SHA256, null, from ?? Start);
    }

    private static byte[] Spoil(byte[] list, int fromEnd)
    {
        list[^fromEnd] ^= 1;
        return list;
    }

    /// <summary>A list that the base library would not make, genuinely signed.</summary>
    private byte[] Signed(RevocationListDraft draft) => draft.Sign(_issuing, _key, Start);

    private Task RecordAsync(string id, X509Certificate2 certificate) => AppendAsync(new Change
    {
        AuthoritySet = new AuthorityRecord
        {
            Id = id,
            Kind = Kind.X509Issuing,
            State = State.Active,
            PublicPart = ByteString.CopyFrom(certificate.RawData),
            NotBefore = Timestamp.FromDateTimeOffset(certificate.NotBefore.ToUniversalTime()),
            NotAfter = Timestamp.FromDateTimeOffset(certificate.NotAfter.ToUniversalTime()),
        },
    });

    private async Task AppendAsync(Change change) =>
        Assert.IsType<Append.Committed>(await _ledger.AppendAsync(new Transaction { Author = "test", Changes = { change } }, null, Cancellation));
}
