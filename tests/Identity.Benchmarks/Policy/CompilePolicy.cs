using System.Globalization;
using System.Text;
using BenchmarkDotNet.Attributes;
using Identity.Policy;

namespace Identity.Benchmarks.Policy;

/// <summary>
/// What an agent does with a change of policy before it decides by it: read the documents that changed, index all. 10,000 rules in 100 documents. The floor takes
/// the text through UTF-8 once, as it comes off the wire.
/// </summary>
[MemoryDiagnoser]
public class CompilePolicy
{
    private const int Documents = 100;
    private const int Rules = 100;

    private string[] _texts = [];
    private StoredPolicy[] _read = [];

    [GlobalSetup]
    public void SetUp()
    {
        _texts = [.. Enumerable.Range(0, Documents).Select(Text)];
        _read = [.. _texts.Select((text, number) => new StoredPolicy(NameOf(number), text))];
        if (AllNew() != Documents * Rules) throw new InvalidOperationException("a rule is missing");
        if (OneNew() != Documents * Rules) throw new InvalidOperationException("a rule is missing");
    }

    [Benchmark(Baseline = true, Description = "floor: the text through UTF-8 once")]
    public int Floor() => _texts.Sum(text => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)).Length);

    [Benchmark(Description = "one of 100 documents changed: read it, index 10,000 rules")]
    public int OneNew() => StoredPolicy.Compile(_read.Skip(1).Prepend(new StoredPolicy(NameOf(0), _texts[0])), 1).Clauses.Count();

    [Benchmark(Description = "a new agent: read 100 documents, index 10,000 rules")]
    public int AllNew() => StoredPolicy.Compile(_texts.Select((text, number) => new StoredPolicy(NameOf(number), text)), 1).Clauses.Count();

    private static string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"measured-{number}");

    private static string Text(int number)
    {
        var text = new StringBuilder($"kind: CapabilityPolicy\nname: {NameOf(number)}\nrules:\n");
        for (var rule = 0; rule < Rules; rule++)
        {
            text.Append(CultureInfo.InvariantCulture, $"  - name: r{rule}\n    effect: permit\n    subjects: [{{ spiffeId: spiffe://example.org/{number}/c{rule} }}]\n    capabilities: [{{ import: wasi:io/poll@0.2.0 }}]\n");
        }

        return text.ToString();
    }
}
