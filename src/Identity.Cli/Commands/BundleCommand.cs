using System.CommandLine;
using System.Security.Cryptography;
using Google.Protobuf.WellKnownTypes;
using Spire.Api.Server.Bundle.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity bundle show</c>: what to trust, to hand to those who cannot ask yet.</summary>
internal static class BundleCommand
{
    public static Command Create() => new("bundle", "Look at the trust bundle") { Show() };

    private static Command Show()
    {
        var command = new Command("show", "Print the X.509 authorities as PEM (or the whole bundle with --output json)");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var bundle = await new Bundle.BundleClient(channel).GetBundleAsync(new GetBundleRequest(), cancellationToken: cancellation);
            return Answer.Print(parsed, bundle, output =>
            {
                foreach (var authority in bundle.X509Authorities)
                    output.WriteLine(PemEncoding.WriteString("CERTIFICATE", authority.Asn1.Span));
            });
        });
        return command;
    }
}
