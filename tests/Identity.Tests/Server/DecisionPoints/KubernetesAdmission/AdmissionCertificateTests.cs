using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.KubernetesAdmission;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Identity.Tests.Server.DecisionPoints.KubernetesAdmission;

public sealed class AdmissionCertificateTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new();
    private readonly FakeLogger _log = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_could_not_be_read_is_tried_again_after_five_seconds_though_the_file_says_it_did_not_change()
    {
        Write("CN=first");
        var certificate = Certificate();
        Assert.Equal("CN=first", Shown(certificate));

        File.WriteAllText(_folder.At("tls.crt"), "half written");
        var written = File.GetLastWriteTimeUtc(_folder.At("tls.crt"));
        Assert.Equal("CN=first", Shown(certificate));
        Write("CN=second");
        File.SetLastWriteTimeUtc(_folder.At("tls.crt"), written);
        File.SetLastWriteTimeUtc(_folder.At("tls.key"), written);

        _time.Advance(AdmissionCertificate.RetryAfter - TimeSpan.FromMilliseconds(1));
        Assert.Equal("CN=first", Shown(certificate));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal("CN=second", Shown(certificate));
    }

    [Fact]
    public void A_file_that_stays_bad_is_tried_and_told_once_in_five_seconds_however_many_connect()
    {
        Write("CN=first");
        var certificate = Certificate();
        Assert.Equal("CN=first", Shown(certificate));
        File.WriteAllText(_folder.At("tls.crt"), "no certificate");
        for (var at = 0; at < 100; at++) Assert.Equal("CN=first", Shown(certificate));
        Assert.Equal(1, _log.Collector.Count);
        _time.Advance(AdmissionCertificate.RetryAfter);
        for (var at = 0; at < 100; at++) Assert.Equal("CN=first", Shown(certificate));
        Assert.Equal(2, _log.Collector.Count);

        // What was written anew is not waited for.
        Write("CN=second");
        File.SetLastWriteTimeUtc(_folder.At("tls.crt"), DateTime.UnixEpoch.AddYears(90));
        Assert.Equal("CN=second", Shown(certificate));
    }

    private AdmissionCertificate Certificate() =>
        new(new AdmissionOptions(new IPEndPoint(IPAddress.Loopback, 0), _folder.At("tls.crt"), _folder.At("tls.key"), ClientCaFile: null), own: null!, _time, _log);

    private static string Shown(AdmissionCertificate certificate) => certificate.Current.TargetCertificate.Subject;

    private void Write(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest(name, key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(100));
        File.WriteAllText(_folder.At("tls.key"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(_folder.At("tls.crt"), certificate.ExportCertificatePem());
    }
}
