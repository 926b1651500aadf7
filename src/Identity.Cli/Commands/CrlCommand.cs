using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Identity.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity bundle crl …</c>: certificate revocation lists of our own trust domain.</summary>
internal static class CrlCommand
{
    private const string PemLabel = "X509 CRL";

    public static Command Create() => new("crl", "Certificate revocation lists of our own trust domain") { Set(), List() };

    private static Command Set()
    {
        var file = new Argument<string>("file") { Description = "A complete X.509 revocation list, DER or PEM, signed by an authority of this trust domain" };
        var command = new Command("set", "Check a revocation list and push it to every agent and workload") { file };
        command.SetAction(async (parsed, cancellation) =>
        {
            var der = Decode(parsed.GetValue(file)!);
            using var channel = AdminConnection.Open(parsed);
            var crl = await new Revocation.RevocationClient(channel).SetCrlAsync(
                new SetCrlRequest { Crl = ByteString.CopyFrom(der) }, cancellationToken: cancellation);
            return Answer.Print(parsed, crl, output =>
                output.WriteLine($"set: {crl.Revoked} revoked by authority {crl.AuthorityId}, next update {Answer.Time(crl.NextUpdate)}"));
        });
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", "List the revocation lists in force");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var lists = await new Revocation.RevocationClient(channel).ListCrlsAsync(new ListCrlsRequest(), cancellationToken: cancellation);
            return Answer.Print(parsed, lists, output => Answer.Table(
                output,
                "no revocation lists",
                ["AUTHORITY", "REVOKED", "THIS UPDATE", "NEXT UPDATE"],
                [.. lists.Crls.Select(crl => new[] { crl.AuthorityId, $"{crl.Revoked}", Answer.Time(crl.ThisUpdate), Answer.Time(crl.NextUpdate) })]));
        });
        return command;
    }

    private static byte[] Decode(string file)
    {
        var content = BundleText.ReadFile(file);
        if (!content.AsSpan().TrimStart(" \t\r\n"u8).StartsWith("-----"u8)) return content;
        var text = Encoding.ASCII.GetString(content);
        if (PemEncoding.TryFind(text, out var fields) && text[fields.Label] == PemLabel) return Convert.FromBase64String(text[fields.Base64Data]);
        throw new UsageException($"{file} has no PEM block \"{PemLabel}\"");
    }
}
