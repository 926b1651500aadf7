using Identity.Conformance.Report;

// conformance check|write RULES-FOLDER PAGE TEST-PROGRAM…
//
// Ties the rules of the SPIFFE specifications to the tests that show them, and writes docs/conformance.md. `check` writes nothing and
// fails where the page is not what `write` would write. Messages have MSBuild's form, so a build prints them as its own errors.
if (args is not ([("check" or "write") and var verb, var folder, var page, .. var programs]) || programs.Length == 0)
{
    Console.Error.WriteLine("usage: conformance check|write RULES-FOLDER PAGE TEST-PROGRAM…");
    return 2;
}

var lists = RuleList.ReadAll(folder);
var tests = (await Task.WhenAll(programs.Select(ShownRule.ListAsync))).SelectMany(shown => shown).Distinct().ToList();
var evidence = Evidence.Of(lists, tests, programs.SelectMany(SkippingTests.In).ToHashSet());

foreach (var problem in evidence.Problems()) Console.Error.WriteLine($"{Path.GetFullPath(folder)}: error CONFORMANCE: {problem}");

var text = ConformancePage.Write(File.ReadAllText(Path.Combine(folder, "preamble.md")), lists, evidence);
if (verb == "write") File.WriteAllText(page, text);
else if (!File.Exists(page) || File.ReadAllText(page) != text)
{
    Console.Error.WriteLine($"{Path.GetFullPath(page)}: error CONFORMANCE: this is not what the tests show; run ./dev conformance and commit what it writes.");
    return 1;
}
return evidence.Problems().Any() ? 1 : 0;
