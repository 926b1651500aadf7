using System.CommandLine;
using System.Diagnostics;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Identity.Cli;
using Identity.Cli.Commands;
using Identity.Testing.Nats;
using Identity.Tests.Server;

namespace Identity.Tests.Cli;

/// <summary>The command as it is shipped, against a server on its admin socket and a real nats-server.</summary>
public sealed class NatsCommandTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private RegistryServer _server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _server = await RegistryServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_renewed_certificate_is_shown_to_new_connections_after_a_reload(NatsRelease release)
    {
        await RunAsync("nats", "config", "--output-dir", _folder.Path, "--listen", "127.0.0.1:-1", "--dns-name", "nats.example.org", "--ip", "127.0.0.1");
        await using var nats = await NatsServerProcess.StartAsync(
            NatsServerBinary.Get(release), await File.ReadAllTextAsync(_folder.At("nats-server.conf"), Cancellation), Cancellation);
        using var before = await ShownAsync(nats.Port);

        var (code, output, _) = await RunAsync("nats", "renew-certificate", "--output-dir", _folder.Path, "--now");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("server.pem written, good until ", output, StringComparison.Ordinal);
        using (var hangUp = Process.Start("kill", ["-HUP", $"{nats.ProcessId}"])) await hangUp.WaitForExitAsync(Cancellation);
        await nats.WaitForLogAsync(line => line.Contains("Reloaded server configuration", StringComparison.Ordinal), TimeSpan.FromSeconds(20), Cancellation);

        using var after = await ShownAsync(nats.Port);
        using var written = X509CertificateLoader.LoadCertificateFromFile(_folder.At("server.pem"));
        Assert.NotEqual(before.SerialNumber, after.SerialNumber);
        Assert.Equal(written.SerialNumber, after.SerialNumber);
        var names = Assert.Single(after.Extensions.OfType<X509SubjectAlternativeNameExtension>());
        Assert.Equal(["nats.example.org"], names.EnumerateDnsNames());
        Assert.Equal(["127.0.0.1"], names.EnumerateIPAddresses().Select(address => address.ToString()));
    }

    [Fact]
    public async Task A_certificate_in_the_first_half_of_its_life_is_left_alone()
    {
        var (_, configured, _) = await RunAsync("nats", "config", "--output-dir", _folder.Path);
        var before = await File.ReadAllBytesAsync(_folder.At("server.pem"), Cancellation);

        var (code, output, _) = await RunAsync("nats", "renew-certificate", "--output-dir", _folder.Path);

        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("unchanged, good until ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("written", output, StringComparison.Ordinal);
        Assert.Contains("server.pem written, good until ", configured, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(_folder.At("server.pem"), Cancellation));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("no certificate")]
    public async Task What_is_no_certificate_is_not_renewed(string? content)
    {
        if (content is not null) await File.WriteAllTextAsync(_folder.At("server.pem"), content, Cancellation);

        var (code, _, error) = await RunAsync("nats", "renew-certificate", "--output-dir", _folder.Path);

        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("identity nats config --output-dir", error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.At("server.key")));
    }

    private static async Task<X509Certificate2> ShownAsync(int port)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync("127.0.0.1", port, Cancellation);
        var stream = connection.GetStream();
        // nats-server speaks first, one line in the clear.
        var one = new byte[1];
        do await stream.ReadExactlyAsync(one, Cancellation);
        while (one[0] != '\n');
        X509Certificate2? shown = null;
        await using var tls = new SslStream(stream, false, (_, certificate, _, errors) =>
        {
            shown = X509CertificateLoader.LoadCertificate(certificate!.GetRawCertData());

            // Only what is shown matters here; who may show it is another test's matter.
            return !errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable);
        });
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "nats.example.org" }, Cancellation);
        return shown!;
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        var root = new RootCommand { NatsCommand.Create() };
        foreach (var option in GlobalOptions.All(CliConfiguration.Load(_ => null))) root.Options.Add(option);
        await using var output = new StringWriter();
        await using var error = new StringWriter();
        var code = await CommandRunner.RunAsync(root, [.. arguments, "--admin-socket", _server.AdminSocket], output, error, Cancellation);
        return (code, output.ToString(), error.ToString());
    }
}
