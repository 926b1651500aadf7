using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy;
using Identity.Policy.Analysis;

namespace Identity.Cli.Commands.Policy;

/// <summary>
/// <c>identity policy diff BEFORE AFTER</c>, each of them files or a revision of the server, or <c>--server FILES</c>: exactly who may do what
/// more, and what less.
/// </summary>
internal static class PolicyDiffVerb
{
    public static Command Create()
    {
        var paths = new Argument<string[]>("what")
        {
            Description = "Two of: a file, a folder, the number of a revision (`identity policy history`); the older first. With --server the files to be applied",
            Arity = ArgumentArity.OneOrMore,
        };
        var server = new Option<bool>("--server") { Description = "Compare what is in force with what would be after applying the files" };
        var whole = new Option<bool>("--whole") { Description = "Beside a revision, or with --server, files are all of the policy: documents that they lack are removed. Otherwise these stay, as when the files are applied" };
        var fail = new Option<string>("--fail-on") { Description = "End with exit code 3 when something is gained, or when anything differs", HelpName = "gained|any" };
        fail.AcceptOnlyFromAmong("gained", "any");
        var command = new Command("diff", "Say exactly what one policy allows that another does not. No difference is proof that both allow the same")
        {
            paths, server, whole, fail,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var now = TimeProvider.System.GetUtcNow();
            var (before, after, inventory, notes) = await PolicyComparison.ReadAsync(parsed, parsed.GetValue(paths)!, parsed.GetValue(server), parsed.GetValue(whole), cancellation);
            foreach (var note in notes) parsed.InvocationConfiguration.Error.WriteLine($"identity: {note}");
            var diff = PolicyDiff.Between(before, after, now);
            var impact = new InventoryImpact(diff, before, after, inventory);
            Answer.Print(parsed, Message(diff, impact), output => Print(line => Answer.Line(output, line, Answer.WidthOf(output)), diff, impact, now));
            var differs = parsed.GetValue(fail) switch { "gained" => !diff.Gained.IsEmpty, "any" => !diff.IsEmpty, _ => false };
            return differs ? ExitCode.Refused : ExitCode.Ok;
        });
        return command;
    }

    private static void Print(Action<string> line, PolicyDiff diff, InventoryImpact impact, DateTimeOffset now)
    {
        if (diff.IsEmpty)
        {
            line("Both allow the same, to everybody, now and later.");
            return;
        }
        foreach (var change in diff.Gained) Print(line, '+', change, impact, now);
        foreach (var change in diff.Lost) Print(line, '-', change, impact, now);
        line($"{diff.Gained.Length} gained, {diff.Lost.Length} lost.");
        foreach (var sentence in impact.Summary()) line(sentence);
        if (!diff.IsComplete)
            line("Some of it was too much work to decide; take it as changed.");
    }

    private static void Print(Action<string> line, char sign, AuthorityChange change, InventoryImpact impact, DateTimeOffset now)
    {
        line($"{sign} {change.Who}");
        line($"    {(change.Kind == AuthorityChangeKind.Ceiling ? $"{change.What}, with more {change.Ceiling}" : change.What)}{(change.Kind == AuthorityChangeKind.Undecided ? "  (undecided)" : "")}");
        line(change.Login is not null
            ? $"      by {change.Permit.Rule}{Beside(change)}"
            : change.Lifted is { } lifted
            ? $"      where {lifted.Rule} forbids it {(sign == '+' ? "no more" : "now")}, and {change.Permit.Rule} permits it"
            : $"      by {change.Permit.Rule}{(change.Held is { } held ? $", which {held.Rule} {(sign == '+' ? "holds down no more" : "holds down now")}" : "")}{(change.Until is { } until ? $", until {until:yyyy-MM-dd HH:mm:ss'Z'}" : "")}");
        foreach (var except in change.Except.Take(5))
            line($"      except {(change.Login is null ? $"{except.Capability} for " : "")}{PolicyFiles.Who(except.Subject)} ({except.Rule})");
        if (change.Except.Length > 5)
            line($"      except {change.Except.Length - 5} more");
        if (change.Example is { } example)
            line($"      such as {PolicyFiles.Who(example.Principal)}: {example.What}{(example.At > now ? $", from {example.At:yyyy-MM-dd HH:mm:ss'Z'} on" : "")}");
        if (impact.Registered.Concerned(change) is { Count: > 0 } concerned)
            line($"      registered: {Some(concerned)}");
        foreach (var group in impact.Others)
        {
            if (group.Concerned(change) is { Count: > 0 } others)
                line($"      {(change.Kind == AuthorityChangeKind.Undecided ? "may concern, " : "")}{group.Group.Label}: {Some(others)}");
        }
        if (impact.Registered.Depending(change) is ({ Count: > 0 } depending, var on))
            line($"      {(change.Kind == AuthorityChangeKind.Undecided ? "may concern" : $"depending on {RegisteredImpact.Words(on)}")}: {Some(depending)}");
    }

    // A login follows from all rules about somebody.
    private static string Beside(AuthorityChange change) =>
        change.Beside.Select(clause => clause.Rule).Where(rule => rule != change.Permit.Rule).Distinct().Select(rule => rule.ToString()).ToList() is { Count: > 0 } rules ? $", beside {Some(rules)}" : "";

    private static string Some(IReadOnlyCollection<string> ids) => $"{string.Join(", ", ids.Take(5))}{(ids.Count > 5 ? $" and {ids.Count - 5} more" : "")}";

    private static Struct Message(PolicyDiff diff, InventoryImpact impact) => new()
    {
        Fields =
        {
            ["equal"] = Value.ForBool(diff.IsEmpty),
            ["complete"] = Value.ForBool(diff.IsComplete),
            ["gained"] = Value.ForList([.. diff.Gained.Select(change => Message(change, impact))]),
            ["lost"] = Value.ForList([.. diff.Lost.Select(change => Message(change, impact))]),
            ["notCounted"] = Value.ForList([.. impact.NotCounted.Select(Value.ForString)]),
        },
    };

    private static Value Message(AuthorityChange change, InventoryImpact impact)
    {
        var depending = impact.Registered.Depending(change);
        // A login may change by a forbid.
        var (permit, forbid) = change.Login is not null && change.Permit.Effect != RuleEffect.Permit ? (null, change.Permit) : (change.Permit, change.Lifted);
        var fields = new Struct
        {
            Fields =
            {
                ["kind"] = Value.ForString(change.Kind switch { AuthorityChangeKind.Authority => "authority", AuthorityChangeKind.Ceiling => "ceiling", AuthorityChangeKind.Login => "login", _ => "undecided" }),
                ["who"] = Value.ForString(change.Who),
                ["what"] = Value.ForString(change.What),
                ["permit"] = permit is null ? Value.ForNull() : Value.ForString(permit.Rule.ToString()),
                ["forbid"] = forbid is null ? Value.ForNull() : Value.ForString(forbid.Rule.ToString()),
                ["beside"] = Value.ForList([.. change.Beside.Select(clause => clause.Rule).Distinct().Select(rule => Value.ForString(rule.ToString()))]),
                ["subjects"] = Value.ForList([.. (change.Login?.Subjects ?? []).Select(Value.ForString)]),
                ["ceiling"] = change.Ceiling is { } ceiling ? Value.ForString(ceiling) : Value.ForNull(),
                ["except"] = Value.ForList([.. change.Except.Select(except => Value.ForString($"{except.Rule}: {PolicyFiles.Who(except.Subject)}: {except.Capability}"))]),
                ["registered"] = Value.ForList([.. impact.Registered.Concerned(change).Select(Value.ForString)]),
                ["running"] = Names(InventoryGroup.Running),
                ["letThrough"] = Names(InventoryGroup.LetThrough),
                ["depending"] = Value.ForList([.. depending.Ids.Select(Value.ForString)]),
                ["dependingOn"] = Value.ForString(RegisteredImpact.Words(depending.On)),
            },
        };
        if (change.Example is { } example)
        {
            fields.Fields["example"] = Value.ForStruct(new Struct
            {
                Fields =
                {
                    ["principal"] = Value.ForString(PolicyFiles.Who(example.Principal)),
                    ["request"] = Value.ForString(example.Request.ToString()),
                    ["at"] = Value.ForString($"{example.At:yyyy-MM-dd'T'HH:mm:ss'Z'}"),
                },
            });
        }
        return Value.ForStruct(fields);

        Value Names(string label) => Value.ForList([.. impact.Others.Where(group => group.Group.Label == label).SelectMany(group => group.Concerned(change)).Select(Value.ForString)]);
    }
}
