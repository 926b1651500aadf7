using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Server.Endpoints;

namespace Identity.Server.DecisionPoints.KubernetesAdmission;

/// <summary>What the webhook shows: a certificate from files, read again when they change, or the server's own SVID.</summary>
internal sealed partial class AdmissionCertificate(AdmissionOptions options, ServerCertificate own, TimeProvider time, ILogger logger)
{
    /// <summary>How long after a failed reading files are left alone that have not changed. Not every handshake need try them, and say so.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private SslStreamCertificateContext? _read;
    private DateTime _writtenAt;
    private long? _failedAt;

    public SslStreamCertificateContext Current => options.CertificateFile is { } certificate ? FromFiles(certificate, options.KeyFile!) : own.Current;

    /// <exception cref="CannotStartException">The files cannot be read.</exception>
    public void Check()
    {
        try
        {
            _ = Current;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new CannotStartException($"{options.CertificateFile} and {options.KeyFile} (--admission-certificate-file, --admission-key-file) cannot be read: {e.Message}", e);
        }
    }

    private SslStreamCertificateContext FromFiles(string certificate, string key)
    {
        lock (_gate)
        {
            var changed = Newest(File.GetLastWriteTimeUtc(certificate), File.GetLastWriteTimeUtc(key));
            if (_read is not null && changed == _writtenAt && !(_failedAt is { } failed && time.GetElapsedTime(failed) >= RetryAfter)) return _read;
            try
            {
                _read = Read(certificate, key);
                _failedAt = null;
            }
            catch (Exception e) when (_read is not null && e is IOException or UnauthorizedAccessException or CryptographicException)
            {
                // Half written, perhaps, or not to be read at this moment: the one before goes on until it can be. What ends a fault need not
                // change when the files were written.
                NotRead(e.GetType().Name);
                _failedAt = time.GetTimestamp();
            }

            _writtenAt = changed;
            return _read!;
        }
    }

    private static SslStreamCertificateContext Read(string certificate, string key)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(certificate);
        var leaf = X509Certificate2.CreateFromPemFile(certificate, key);
        return SslStreamCertificateContext.Create(leaf, [.. chain.Skip(1)], offline: true);
    }

    private static DateTime Newest(DateTime one, DateTime other) => one > other ? one : other;

    [LoggerMessage(Level = LogLevel.Warning, Message = "The admission webhook's new certificate cannot be read ({Fault}); the one before is shown")]
    private partial void NotRead(string fault);
}
