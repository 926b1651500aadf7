using System.CommandLine;
using System.Net;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Cli.Commands;

/// <summary><c>identity nats config</c>: the configuration with which nats-server asks this control plane about every login.</summary>
internal static class NatsCommand
{
    // The longest the server mints for. nats-server reloads nothing by itself: write it again and restart or reload before it ends.
    private const int CertificateSeconds = 7 * 24 * 3600;

    public static Command Create() => new("nats", "Join a nats-server to the control plane") { Config() };

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
                TlsCertificateFile = Path.Combine(directory, "server.pem"),
                TlsKeyFile = Path.Combine(directory, "server.key"),
            }, cancellationToken: cancellation);
            if (parsed.GetValue(folder) is null)
                return Answer.Print(parsed, configuration, output => output.WriteLine(configuration.Text.TrimEnd()));

            var addresses = parsed.GetValue(address)!.Select(text =>
                IPAddress.TryParse(text, out var parsedAddress) ? parsedAddress : throw new UsageException($"'{text}' is not an IP address.")).ToArray();
            var status = await control.GetStatusAsync(new(), cancellationToken: cancellation);
            var id = SpiffeId.Parse($"spiffe://{status.TrustDomain}/nats-server");
            var minted = await MintedCertificate.RequestAsync(channel, id, parsed.GetValue(dns)!, addresses, CertificateSeconds, cancellation);
            var files = minted.Write(directory, "server.pem", "server.key", "ca.pem");
            var file = Path.Combine(directory, "nats-server.conf");
            PrivateFile.Write(file, System.Text.Encoding.UTF8.GetBytes(configuration.Text));
            return ApplyCommand.Print(parsed, 0, [.. files.Append(file).Select(written => ("NatsConfiguration", written, "written"))]);
        });
        return command;
    }
}
