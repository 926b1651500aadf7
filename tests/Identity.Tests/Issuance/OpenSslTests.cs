using System.Diagnostics;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Issuance;

/// <summary>A second opinion: what we issue, judged by OpenSSL's command line.</summary>
public class OpenSslTests
{
    [Theory]
    [InlineData("ES256")]
    [InlineData("RS256")]
    public async Task OpenSSL_verifies_the_chain_strictly(string name)
    {
        var authority = TestAuthority.Create(name == "RS256" ? SigningAlgorithm.Rs256 : SigningAlgorithm.Es256);
        var issuer = new X509SvidIssuer(authority, IssuanceProfile.Default);
        var request = new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/hosts/local"), TestAuthority.NewKey()) { DnsNames = ["localhost"] };
        var svid = issuer.Issue(Assert.IsType<X509SvidPreparation.Prepared>(issuer.Prepare(request, TestAuthority.Now)).Draft);

        var directory = Directory.CreateTempSubdirectory("svid-");
        try
        {
            string Save(string file, ReadOnlyMemory<byte> der)
            {
                var path = Path.Combine(directory.FullName, file);
                File.WriteAllText(path, System.Security.Cryptography.PemEncoding.WriteString("CERTIFICATE", der.Span));
                return path;
            }

            var at = TestAuthority.Now.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
            string[] common = ["verify", "-x509_strict", "-attime", at, "-CAfile", Save("root.pem", svid.Root), "-untrusted", Save("issuing.pem", svid.Chain[1])];
            var leaf = Save("leaf.pem", svid.Leaf);
            Assert.Equal(0, await RunAsync([.. common, "-purpose", "sslserver", "-verify_hostname", "localhost", leaf]));
            Assert.Equal(0, await RunAsync([.. common, "-purpose", "sslclient", leaf]));
            Assert.NotEqual(0, await RunAsync([.. common, "-verify_hostname", "elsewhere", leaf]));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static async Task<int> RunAsync(string[] arguments)
    {
        Process? process = null;
        try
        {
            process = Process.Start(new ProcessStartInfo("openssl", arguments) { RedirectStandardError = true, RedirectStandardOutput = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("openssl is not installed");
        }

        using (process)
        {
            await process!.WaitForExitAsync(TestContext.Current.CancellationToken);
            return process.ExitCode;
        }
    }
}
