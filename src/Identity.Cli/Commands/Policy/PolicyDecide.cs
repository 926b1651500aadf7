using System.CommandLine;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy;
using Identity.V1;
using ComponentSignatures = Identity.Policy.ComponentSignatures;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy decide PRINCIPAL REQUEST --at REV</c>: what the policy of any revision says.</summary>
internal static class PolicyDecide
{
    private static readonly string[] Attributes = ["digest", "signer", "image", "host", "namespace", "lattice"];

    public static Command Create()
    {
        var principal = new Argument<string>("spiffe-id") { Description = "Whom the question is about" };
        var request = new Argument<string[]>("request") { Description = "What, in the words of a policy: connect api.example.com:443", Arity = ArgumentArity.OneOrMore };
        var at = new Option<ulong>("--at") { Description = "By the policy of this revision (`identity policy history`), and as if it were the time it was written", HelpName = "REV", DefaultValueFactory = _ => 0 };
        var time = new Option<DateTimeOffset?>("--time") { Description = "As if it were this time; rules expire", HelpName = "TIME" };
        var component = new Option<string?>("--component") { Description = "It is the component of this file: its digest, and its signers as far as the policy names their keys", HelpName = "FILE" };
        var process = new Option<bool>("--process") { Description = "It is a process: it has no digest, signer, image or host" };
        var options = Attributes.ToDictionary(name => name, name => new Option<string[]>($"--{name}") { HelpName = name.ToUpperInvariant(), DefaultValueFactory = _ => [] });
        var command = new Command("decide", "Ask the policy of any revision one question; leaves no trace") { principal, request, at, time, process, component };
        foreach (var option in options.Values) command.Options.Add(option);
        command.SetAction(async (parsed, cancellation) =>
        {
            var question = new DecideAtRequest
            {
                AtRevision = parsed.GetValue(at),
                SpiffeId = parsed.GetValue(principal),
                Request = string.Join(' ', parsed.GetValue(request)!),
                Digest = One("digest"),
                Image = One("image"),
                Host = One("host"),
                Namespace = One("namespace"),
                Lattice = One("lattice"),
                AtTime = parsed.GetValue(time) is { } then ? Timestamp.FromDateTimeOffset(then) : null,
            };
            // Who names some signers says that there are no others, and a forbid by the key that did sign would not be seen.
            if (parsed.GetValue(component) is not null && parsed.GetValue(options["signer"])!.Length > 0)
                throw new UsageException("--signer contradicts --component: the file says who signed it (`identity component signers FILE`).");
            question.Signers.AddRange(parsed.GetValue(options["signer"]));
            if (parsed.GetValue(process)) question.KnownAbsent.AddRange(["digest", "signer", "image", "host"]);
            var unread = parsed.GetValue(component) is { } file ? AddComponent(question, file) : null;
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).DecideAtAsync(question, cancellationToken: cancellation);
            if (unread is not null) answer.Notes.Insert(0, $"the component tells nobody who signed it: {unread}");
            if (!answer.Allowed && Unversioned(question.Request) is { } name)
                answer.Notes.Add($"a component imports an interface with its version: ask about {name}@VERSION, as in wasi:io/poll@0.2.0 (`identity component inspect FILE` shows it); what is granted without one helps only who imports it without one");
            if (parsed.GetValue(component) is { } path && CapabilityRequest.TryParse(question.Request, out var asked, out _) && asked is CapabilityRequest.Start)
                answer.Notes.Add($"this is about the start alone; with what it imports, and the call: identity policy check --server --component {question.SpiffeId}={path}");
            Answer.Print(parsed, answer, output => Write(output, question, answer));
            return answer.Allowed ? ExitCode.Ok : ExitCode.Refused;

            string One(string name) => parsed.GetValue(options[name]) switch
            {
                null or [] => "",
                [var only] => only,
                _ => throw new UsageException($"--{name} is given more than once."),
            };
        });
        return command;
    }

    // The interface that is asked for; null where it has a version, or something else is asked for.
    private static string? Unversioned(string request) => CapabilityRequest.TryParse(request, out var asked, out _) && asked is CapabilityRequest.Import { Interface: { Version: null } name }
        ? name.Text : null;

    /// <returns>Why its signers are not told; null when they are.</returns>
    private static string? AddComponent(DecideAtRequest question, string file)
    {
        var (bytes, _) = ComponentFile.Read(file);
        var digest = ComponentDigest.Of(bytes).Text;
        if (question.Digest.Length > 0 && question.Digest != digest) throw new UsageException($"{file} has the digest {digest}, which is not that of --digest.");
        question.Digest = digest;
        var signatures = ComponentSignatures.Read(bytes);
        if (signatures.Problem is { } problem) return problem;
        question.Signatures = new V1.ComponentSignatures { Hashes = ByteString.CopyFrom(signatures.Hashes) };
        question.Signatures.Signatures.AddRange(signatures.Signatures.Select(signature => ByteString.CopyFrom(signature)));
        return null;
    }

    private static void Write(TextWriter output, DecideAtRequest question, DecideAtResponse answer)
    {
        output.WriteLine($"{(answer.Allowed ? "allowed" : "denied")} by the policy of revision {answer.PolicyRevision}{(answer.Rule.Length > 0 ? $": {answer.Rule}" : "")}");
        if (question.AtTime is not null) output.WriteLine($"as if it were {Answer.Time(answer.AtTime)}");
        else if (question.AtRevision != 0) output.WriteLine($"as if it were {Answer.Time(answer.AtTime)}, when revision {question.AtRevision} was written (--time asks about another time)");
        if (answer.Explanation.Length > 0) output.WriteLine(answer.Explanation);
        foreach (var note in answer.Notes) output.WriteLine(note);
        if (answer.Untold.Count > 0)
            output.WriteLine($"tell it and ask again: {string.Join(' ', answer.Untold.Where(Attributes.Contains).Select(name => $"--{name} {name.ToUpperInvariant()}"))}");
        if (answer.SmallestGrant.Length == 0) return;
        output.WriteLine("the smallest grant that would turn this:");
        output.WriteLine(answer.SmallestGrant.TrimEnd());
    }
}
