using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Cli.Commands;

/// <summary><c>identity nats …</c>: the configuration with which nats-server asks this control plane about every login, and its certificate.</summary>
internal static class NatsCommand
{
    // The longest the server mints for.
    private const int CertificateSeconds = 7 * 24 * 3600;

    private const string CertificateName = "server.pem";
    private const string KeyName = "server.key";
    private const string RootName = "ca.pem";

    public static Command Create() => new("nats", "Join a nats-server to the control plane") { Config(), RenewCertificate() };

    private static Command Config()
    {
        var folder = new Option<string>("--output-dir")
        {
            Description = "Write nats-server.conf, its certificate and key, and the CA file there; without it the configuration is printed",
        };
        var listen = new Option<string>("--listen") { Description = "host:port for nats-server; default is where the server connects to", DefaultValueFactory = _ => "" };
        var dns = new Option<string[]>("--dns-name") { Description = "A name clients connect to", DefaultValueFactory = _ => ["localhost"] };
        var address = new Option<string[]>("--ip") { Description = "An address clients connect to", DefaultValueFactory = _ => ["127.0.0.1"] };
        var command = new Command("config", "Print or write a nats-server configuration: auth callout, xkey, TLS, one application account")
        {
            folder, listen, dns, address,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var control = new Control.ControlClient(channel);
            var directory = parsed.GetValue(folder) is { } path ? Directory.CreateDirectory(path).FullName : "/etc/nats";
            var configuration = await control.GetNatsConfigurationAsync(new GetNatsConfigurationRequest
            {
                Listen = parsed.GetValue(listen),
                TlsCertificateFile = Path.Combine(directory, CertificateName),
                TlsKeyFile = Path.Combine(directory, KeyName),
            }, cancellationToken: cancellation);
            if (parsed.GetValue(folder) is null)
                return Answer.Print(parsed, configuration, output => output.WriteLine(configuration.Text.TrimEnd()));

            var addresses = parsed.GetValue(address)!.Select(text =>
                IPAddress.TryParse(text, out var parsedAddress) ? parsedAddress : throw new UsageException($"'{text}' is not an IP address.")).ToArray();
            var files = await WriteCertificateAsync(channel, directory, parsed.GetValue(dns)!, addresses, cancellation);
            var file = Path.Combine(directory, "nats-server.conf");
            PrivateFile.Write(file, System.Text.Encoding.UTF8.GetBytes(configuration.Text));
            return ApplyCommand.Print(parsed, 0, [.. files, ("NatsConfiguration", file, "written")]);
        });
        return command;
    }

    private static Command RenewCertificate()
    {
        var folder = new Option<string>("--output-dir") { Description = "The folder that `identity nats config` wrote", Required = true };
        var now = new Option<bool>("--now") { Description = "However long the certificate is still good" };
        var command = new Command(
            "renew-certificate",
            "Replace nats-server's certificate, for the same names, once half of its life is over; nats-server takes it up when it is told to reload")
        {
            folder, now,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var directory = Path.GetFullPath(parsed.GetValue(folder)!);
            using var known = ReadCertificate(Path.Combine(directory, CertificateName));
            if (!parsed.GetValue(now) && TimeProvider.System.GetUtcNow().UtcDateTime < HalfLife(known))
                return ApplyCommand.Print(parsed, 0, [("NatsCertificate", Path.Combine(directory, CertificateName), $"unchanged, {GoodUntil(known)}")]);

            var names = known.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
            using var channel = AdminConnection.Open(parsed);
            return ApplyCommand.Print(parsed, 0, await WriteCertificateAsync(
                channel, directory, [.. names?.EnumerateDnsNames() ?? []], [.. names?.EnumerateIPAddresses() ?? []], cancellation));
        });
        return command;
    }

    private static async Task<List<(string Kind, string Name, string Outcome)>> WriteCertificateAsync(
        GrpcChannel channel, string directory, string[] dnsNames, IPAddress[] addresses, CancellationToken cancellation)
    {
        var status = await new Control.ControlClient(channel).GetStatusAsync(new(), cancellationToken: cancellation);
        var id = SpiffeId.Parse($"spiffe://{status.TrustDomain}/nats-server");
        var minted = await MintedCertificate.RequestAsync(channel, id, dnsNames, addresses, CertificateSeconds, cancellation);
        var files = minted.Write(directory, CertificateName, KeyName, RootName);
        using var written = ReadCertificate(files[0]);
        return [.. files.Select(file => ("NatsCertificate", file, file == files[0] ? $"written, {GoodUntil(written)}" : "written"))];
    }

    private static X509Certificate2 ReadCertificate(string file)
    {
        try
        {
            return X509CertificateLoader.LoadCertificateFromFile(file);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{file} is no certificate that can be renewed; write it with: identity nats config --output-dir {Path.GetDirectoryName(file)}");
        }
    }

    private static DateTime HalfLife(X509Certificate2 certificate)
    {
        var from = certificate.NotBefore.ToUniversalTime();
        return from + (certificate.NotAfter.ToUniversalTime() - from) / 2;
    }

    private static string GoodUntil(X509Certificate2 certificate) =>
        $"good until {certificate.NotAfter.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)}";
}
