using System.CommandLine;
using Spire.Api.Server.Svid.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity mint x509|jwt</c>: an SVID by an operator's word, recorded as such.</summary>
internal static class MintCommand
{
    public static Command Create() => new("mint", "Mint an SVID without a registration entry") { X509(), Jwt() };

    private static Command X509()
    {
        var id = new Argument<string>("spiffe-id");
        var folder = new Option<string>("--output-dir") { Description = "Where svid.pem, svid.key (0600) and bundle.pem go", Required = true };
        var dns = new Option<string[]>("--dns-name") { Description = "A DNS name to carry besides the SPIFFE ID" };
        var ttl = TtlOption.Create("How long it is valid; never past the authority's own end", "1h");
        var command = new Command("x509", "Mint an X.509-SVID; the key is made here and never leaves this machine") { id, folder, dns, ttl };
        command.SetAction(async (parsed, cancellation) =>
        {
            var spiffeId = SpiffeIdArgument.Parse(parsed.GetValue(id)!);
            using var channel = AdminConnection.Open(parsed);
            var minted = await MintedCertificate.RequestAsync(channel, spiffeId, parsed.GetValue(dns) ?? [], [], TtlOption.Seconds(parsed, ttl), cancellation);
            var directory = Directory.CreateDirectory(parsed.GetValue(folder)!).FullName;
            var files = minted.Write(directory, "svid.pem", "svid.key", "bundle.pem");
            return ApplyCommand.Print(parsed, 0, [.. files.Select(file => ("X509-SVID", file, "written"))]);
        });
        return command;
    }

    private static Command Jwt()
    {
        var id = new Argument<string>("spiffe-id");
        var audience = new Option<string[]>("--audience") { Description = "Who is meant to accept it", Required = true };
        var ttl = TtlOption.Create("How long it is valid", "5m");
        var command = new Command("jwt", "Mint a JWT-SVID and print it") { id, audience, ttl };
        command.SetAction(async (parsed, cancellation) =>
        {
            var request = new MintJWTSVIDRequest { Id = EntryText.ToWire(SpiffeIdArgument.Parse(parsed.GetValue(id)!)), Ttl = TtlOption.Seconds(parsed, ttl) };
            request.Audience.AddRange(parsed.GetValue(audience)!);
            using var channel = AdminConnection.Open(parsed);
            var answer = await new SVID.SVIDClient(channel).MintJWTSVIDAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer.Svid, output => output.WriteLine(answer.Svid.Token));
        });
        return command;
    }
}
