using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Policy;
using Identity.Policy.Analysis;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy suggest</c>: the least policy that would have allowed what was seen.</summary>
internal static class PolicySuggestVerb
{
    private const int MostDecisions = 1_000;

    // A line names who asked.
    private const PrincipalAttributes NotSeen =
        PrincipalAttributes.Digest | PrincipalAttributes.Signer | PrincipalAttributes.Image | PrincipalAttributes.Host | PrincipalAttributes.Namespace | PrincipalAttributes.Lattice;

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
        var denied = new Option<bool>("--denied") { Description = $"From what the server denied, or permitted by rules in mode warn only, in its newest {MostDecisions} decisions" };
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
            var now = TimeProvider.System.GetUtcNow();
            var observations = PolicyFiles.Read(parsed.GetValue(components)!, manifest).SelectMany(start => PolicySuggest.ToStart(start, wholeInterfaces: isAnyDigest).Select(asked => asked with { Untold = start.Principal.Unknown }))
                .Concat(parsed.GetValue(seen)!.SelectMany(ReadSeen)).ToList();
            var policy = PolicyFiles.PolicyOf(manifest);
            if (parsed.GetValue(denied))
            {
                using var channel = AdminConnection.Open(parsed);
                var decisions = await new Explain.ExplainClient(channel).ListDecisionsAsync(new() { Limit = MostDecisions }, cancellationToken: cancellation);
                if (decisions.Decisions.Count >= MostDecisions) notes.Add($"only the newest {MostDecisions} decisions were read; what was asked before is not in this");
                if (given.Length == 0)
                {
                    var inForce = await new PolicyAdmin.PolicyAdminClient(channel).ListPoliciesAsync(new(), cancellationToken: cancellation);
                    policy = CapabilityPolicy.FromSources(inForce.Policies.Select(document => document.Text), 0);
                }

                var (asked, told) = SeenDecisions.Read(decisions.Decisions, policy, now, isAnyDigest, parsed.GetValue(unproven));
                observations.AddRange(asked);
                notes.AddRange(told);
            }

            if (observations.Count == 0 && !parsed.GetValue(denied))
                throw new UsageException("nothing was seen; name a --component, a file with --seen, or use --denied.");
            if (PermittedForNow(policy, observations, now) is { Length: > 0 } rules) notes.Add($"as if {rules} were gone, which {(rules.Contains(',', StringComparison.Ordinal) ? "permit" : "permits")} in mode warn");
            var suggestion = PolicySuggest.For(SeenDecisions.Lasting(policy), observations, now, parsed.GetValue(name)!, !isAnyDigest);
            if (suggestion.Problem is { } problem) throw new RefusedException(problem);
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

    // The permits in mode warn without which something that was seen would have been denied.
    private static string PermittedForNow(CapabilityPolicy policy, IEnumerable<Observation> observations, DateTimeOffset now) => string.Join(", ", observations
        .Select(observation => NatsRights.Decide(policy, observation.Principal, observation.Request, now))
        .Where(decision => decision.Warned && decision.Warning == decision.Determining).Select(decision => decision.Warning.ToString()).Distinct().Order(StringComparer.Ordinal));

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
            yield return new Observation(new Principal { Id = id }, request) { Untold = NotSeen };
        }
    }
}
