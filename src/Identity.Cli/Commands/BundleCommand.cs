using System.CommandLine;
using Grpc.Core;
using Spire.Api.Server.Bundle.V1;
using DeleteMode = Spire.Api.Server.Bundle.V1.BatchDeleteFederatedBundleRequest.Types.Mode;

namespace Identity.Cli.Commands;

/// <summary><c>identity bundle …</c>: what to trust here, and for the trust domains this one federates with.</summary>
internal static class BundleCommand
{
    public static Command Create() => new("bundle", "Trust bundles: ours, and those of federated trust domains") { Show(), List(), Set(), Delete(), CrlCommand.Create() };

    private static Command Show()
    {
        var name = new Argument<string?>("trust-domain") { Description = "A federated trust domain; ours when left out", DefaultValueFactory = _ => null };
        var format = new Option<string>("--format") { Description = "pem: the X.509 authorities; spiffe: the whole bundle as a SPIFFE bundle document", DefaultValueFactory = _ => "pem" };
        format.AcceptOnlyFromAmong("pem", "spiffe");
        var command = new Command("show", "Print a bundle, to hand to those who cannot ask") { name, format };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var client = new Bundle.BundleClient(channel);
            var bundle = parsed.GetValue(name) is { } other
                ? await client.GetFederatedBundleAsync(new GetFederatedBundleRequest { TrustDomain = other }, cancellationToken: cancellation)
                : await client.GetBundleAsync(new GetBundleRequest(), cancellationToken: cancellation);
            return Answer.Print(parsed, bundle, output => output.WriteLine(BundleText.From(bundle, parsed.GetValue(format)!)));
        });
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", "List the bundles of federated trust domains");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var client = new Bundle.BundleClient(channel);
            var all = new ListFederatedBundlesResponse();
            var page = new ListFederatedBundlesRequest();
            do
            {
                var answer = await client.ListFederatedBundlesAsync(page, cancellationToken: cancellation);
                all.Bundles.AddRange(answer.Bundles);
                page.PageToken = answer.NextPageToken;
            }
            while (page.PageToken.Length > 0);
            return Answer.Print(parsed, all, output => Answer.Table(
                output,
                "no federated bundles",
                ["TRUST DOMAIN", "X.509", "JWT", "SEQUENCE"],
                [.. all.Bundles.Select(b => new[] { b.TrustDomain, $"{b.X509Authorities.Count}", $"{b.JwtAuthorities.Count}", $"{b.SequenceNumber}" })]));
        });
        return command;
    }

    private static Command Set()
    {
        var name = new Argument<string>("trust-domain") { Description = "Whose bundle it is; no bundle says so itself" };
        var file = new Argument<string>("file") { Description = "A SPIFFE bundle document (JSON), or X.509 authorities as PEM" };
        var command = new Command("set", "Trust another trust domain by this bundle, so that entries may federate with it") { name, file };
        command.SetAction(async (parsed, cancellation) =>
        {
            var bundle = BundleText.Read(parsed.GetValue(name)!, parsed.GetValue(file)!);
            using var channel = AdminConnection.Open(parsed);
            var response = await new Bundle.BundleClient(channel).BatchSetFederatedBundleAsync(
                new BatchSetFederatedBundleRequest { Bundle = { bundle } }, cancellationToken: cancellation);
            Check(response.Results[0].Status);
            return ApplyCommand.Print(parsed, 0, [("Bundle", bundle.TrustDomain, "set")]);
        });
        return command;
    }

    private static Command Delete()
    {
        var name = new Argument<string>("trust-domain");
        var mode = new Option<string>("--entries")
        {
            Description = "What becomes of entries that federate with it: restrict refuses while there are any, dissociate keeps them without it, delete deletes them",
            DefaultValueFactory = _ => "restrict",
        };
        mode.AcceptOnlyFromAmong("restrict", "dissociate", "delete");
        var command = new Command("delete", "Trust another trust domain no longer; every agent and workload forgets its bundle at once") { name, mode };
        command.SetAction(async (parsed, cancellation) =>
        {
            var request = new BatchDeleteFederatedBundleRequest
            {
                TrustDomains = { parsed.GetValue(name)! },
                Mode = parsed.GetValue(mode) switch { "delete" => DeleteMode.Delete, "dissociate" => DeleteMode.Dissociate, _ => DeleteMode.Restrict },
            };
            using var channel = AdminConnection.Open(parsed);
            var response = await new Bundle.BundleClient(channel).BatchDeleteFederatedBundleAsync(request, cancellationToken: cancellation);
            Check(response.Results[0].Status);
            return ApplyCommand.Print(parsed, 0, [("Bundle", parsed.GetValue(name)!, "deleted")]);
        });
        return command;
    }

    private static void Check(Spire.Api.Types.Status status)
    {
        if (status.Code != 0) throw new RpcException(new Status((StatusCode)status.Code, status.Message));
    }
}
