using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Policy;
using Identity.Policy.Analysis;
using Identity.V1;
using Spiffe.Net;
using Decision = Identity.V1.Decision;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy suggest</c>: the least policy that would have allowed what was seen.</summary>
internal static class PolicySuggestVerb
{
    private const int MostDecisions = 1_000;

    // A line, or a decision, names who asked, and at most the bytes.
    private const PrincipalAttributes NotSeen =
        PrincipalAttributes.Signer | PrincipalAttributes.Image | PrincipalAttributes.Host | PrincipalAttributes.Namespace | PrincipalAttributes.Lattice;

    public static Command Create()
    {
        var paths = new Argument<string[]>("path") { Description = "Files or folders of policies and entries that are there already", Arity = ArgumentArity.ZeroOrMore };
        var components = PolicyFiles.Components();
        var seen = new Option<string[]>("--seen")
        {
            Description = "A file with one observation a line: a SPIFFE ID and what it asked for, such as spiffe://example.org/shop natsPublish orders.new",
            HelpName = "FILE",
            DefaultValueFactory = _ => [],
        };
        var denied = new Option<bool>("--denied") { Description = $"From what the server denied, or would have denied by rules in mode shadow, in its newest {MostDecisions} decisions" };
        var unproven = new Option<bool>("--unproven") { Description = "With --denied, also from what was asked at doors that prove nobody (those of wasmCloud, and the Kubernetes webhook without a client CA)" };
        var name = new Option<string>("--name") { Description = "The name of the policy", DefaultValueFactory = _ => "suggested" };
        var anyBytes = new Option<bool>("--any-digest") { Description = "Grant to the identity whatever its bytes, not only to those that were seen; of a component file whole interfaces, not only the functions it imports" };
        var command = new Command("suggest", "Write the least policy that would have allowed what was seen") { paths, components, seen, denied, unproven, name, anyBytes };
        command.SetAction(async (parsed, cancellation) =>
        {
            var given = parsed.GetValue(paths)!;
            var manifest = given.Length == 0 ? new Manifest([], [], []) : ManifestFiles.ReadToLook(given);
            var isAnyDigest = parsed.GetValue(anyBytes);
            var notes = new List<string>();
            var observations = PolicyFiles.Read(parsed.GetValue(components)!, manifest).SelectMany(start => PolicySuggest.ToStart(start, wholeInterfaces: isAnyDigest).Select(asked => asked with { Untold = start.Principal.Unknown }))
                .Concat(parsed.GetValue(seen)!.SelectMany(ReadSeen)).ToList();
            var policy = PolicyFiles.PolicyOf(manifest);
            if (parsed.GetValue(denied))
            {
                using var channel = AdminConnection.Open(parsed);
                var decisions = await new Explain.ExplainClient(channel).ListDecisionsAsync(new() { Limit = MostDecisions }, cancellationToken: cancellation);
                if (decisions.Decisions.Count >= MostDecisions) notes.Add($"only the newest {MostDecisions} decisions were read; what was denied before is not in this");
                observations.AddRange(Denied(decisions.Decisions, isAnyDigest, parsed.GetValue(unproven), notes));
                if (given.Length == 0)
                {
                    var inForce = await new PolicyAdmin.PolicyAdminClient(channel).ListPoliciesAsync(new(), cancellationToken: cancellation);
                    policy = CapabilityPolicy.FromSources(inForce.Policies.Select(document => document.Text), 0);
                }
            }
            if (observations.Count == 0 && notes.Count == 0)
                throw new UsageException("nothing was seen; name a --component, a file with --seen, or use --denied.");
            var suggestion = PolicySuggest.For(policy, observations, TimeProvider.System.GetUtcNow(), parsed.GetValue(name)!, !isAnyDigest);
            var message = new Struct
            {
                Fields =
                {
                    ["policy"] = suggestion.Source is { } source ? Value.ForString(source) : Value.ForNull(),
                    ["notGranted"] = Value.ForList([.. suggestion.Left.Select(Value.ForString)]),
                    ["notes"] = Value.ForList([.. notes.Select(Value.ForString)]),
                },
            };
            return Answer.Print(parsed, message, output =>
            {
                foreach (var note in notes) output.WriteLine($"# {note}");
                if (suggestion.Source is not null) output.Write(suggestion.Source);
                else output.WriteLine("# Everything that was seen and can be granted is granted already.");
                foreach (var left in suggestion.Source is null ? suggestion.Left : []) output.WriteLine($"# not granted: {left}");
            });
        });
        return command;
    }

    private static IEnumerable<Observation> ReadSeen(string file)
    {
        var number = 0;
        foreach (var line in ManifestFiles.Text(file).Split('\n').Select(line => line.Trim()))
        {
            number++;
            if (line.Length == 0 || line.StartsWith('#')) continue;
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space < 0) throw new UsageException($"{file}:{number}: expected a SPIFFE ID, a space and what it asked for.");
            if (!SpiffeId.TryParse(line[..space], out var id, out var problem) || !CapabilityRequest.TryParse(line[(space + 1)..], out var request, out problem))
                throw new UsageException($"{file}:{number}: {problem}");
            yield return new Observation(new Principal { Id = id }, request) { Untold = NotSeen | PrincipalAttributes.Digest };
        }
    }

    // Of bytes that are not told nothing is granted unless any will do, and nothing that somebody asked for who may be anybody.
    private static List<Observation> Denied(IEnumerable<Decision> decisions, bool isAnyDigest, bool isUnprovenToo, List<string> notes)
    {
        var seen = new List<Observation>();
        var (untold, strangers) = (0, 0);
        foreach (var decision in decisions)
        {
            if (!SpiffeId.TryParse(decision.Subject, out var id, out _)) continue;
            var asked = (decision.Allowed ? [] : decision.Reasons.Select(reason => reason.Capability))
                .Concat(decision.Shadow.Where(shadow => !shadow.WouldAllow).Select(shadow => shadow.Capability)).Select(RequestOf).OfType<CapabilityRequest>().ToList();
            if (asked.Count == 0) continue;
            if (decision is { Kind: DecisionKind.Capability, Proven: false } && !isUnprovenToo)
            {
                strangers++;
                continue;
            }

            var digest = ComponentDigest.TryParse(decision.ComponentDigest, out var told, out _) ? told : null;
            if (decision.Kind == DecisionKind.ComponentStart && digest is null && !isAnyDigest) untold++;
            else seen.AddRange(asked.Select(request => new Observation(new Principal { Id = id, Digest = digest }, request) { Untold = NotSeen | (digest is null ? PrincipalAttributes.Digest : 0) }));
        }

        if (strangers > 0)
            notes.Add($"not granted: {strangers} {(strangers == 1 ? "decision was" : "decisions were")} asked for at doors that prove nobody, so by anybody; look at {(strangers == 1 ? "it" : "them")} (`identity decisions --denied`) before --unproven grants {(strangers == 1 ? "it" : "them")}");
        if (untold > 0) notes.Add($"not granted: {untold} {(untold == 1 ? "decision about a start does" : "decisions about starts do")} not tell of which bytes; --any-digest grants whatever they are");
        return seen;
    }

    // The start door names an import by its interface alone.
    private static CapabilityRequest? RequestOf(string capability) =>
        CapabilityRequest.TryParse(capability, out var request, out _) || CapabilityRequest.TryParse("import", capability, out request, out _) ? request : null;
}
