using System.CommandLine;
using System.Text;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy links FILE --lattice NAME</c>: what the links of a wasmCloud v1 lattice come to, as <c>suggest --seen</c> reads it.</summary>
internal static class PolicyLinksVerb
{
    public static Command Create()
    {
        var file = new Argument<string>("file") { Description = "Links in JSON: as link.put carries one, a list, or the reply to link.get" };
        var lattice = new Option<string>("--lattice") { Description = "The lattice they are of", HelpName = "NAME", DefaultValueFactory = _ => "default" };
        var trustDomain = new Option<string>("--trust-domain") { Description = "The trust domain of its components", HelpName = "NAME", Required = true };
        var providers = new Option<string[]>("--provider") { Description = "An id that is a provider's: a link does not say", HelpName = "ID", DefaultValueFactory = _ => [] };
        var command = new Command("links", "Say what the links of a wasmCloud v1 lattice ask for, one question a line, for `suggest --seen`") { file, lattice, trustDomain, providers };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(file)!;
            if (!File.Exists(path)) throw new UsageException($"there is no file '{path}'.");
            if (!TrustDomain.TryParse(parsed.GetValue(trustDomain)!, out var domain, out var problem)) throw new UsageException($"--trust-domain: {problem}");
            var known = parsed.GetValue(providers)!.ToHashSet(StringComparer.Ordinal);
            if (!LatticeLinks.TryRead(Encoding.UTF8.GetBytes(ManifestFiles.Text(path)), domain, parsed.GetValue(lattice)!, known.Contains, out var requests, out problem))
                throw new UsageException($"{path}: {problem}.");
            var message = new Struct { Fields = { ["seen"] = Value.ForList([.. requests.Select(one => Value.ForString($"{one.Who} {one.What}"))]) } };
            return Answer.Print(parsed, message, output =>
            {
                foreach (var one in requests) output.WriteLine($"{one.Who} {one.What}");
            });
        });
        return command;
    }
}
