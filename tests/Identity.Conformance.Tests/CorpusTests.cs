using Identity.Fuzzing;
using Identity.Testing.Platform;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>What fuzzing started from and what it ever found, through the same targets: no input breaks an invariant.</summary>
public sealed class CorpusTests
{
    private static readonly string Corpus = Path.Combine(Repository.Root, "tests", "Identity.Fuzzing", "Corpus");

    public static TheoryData<string> Targets => [.. FuzzTarget.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void No_input_breaks_an_invariant(string name)
    {
        var target = FuzzTarget.Find(name)!;
        var files = Directory.GetFiles(Path.Combine(Corpus, name));
        Assert.NotEmpty(files);
        var accepted = 0;
        foreach (var file in files)
        {
            var broken = Record.Exception(() => accepted += target.Run(File.ReadAllBytes(file)) ? 1 : 0);
            Assert.True(broken is null, $"{file}: {broken}");
        }

        // A door that lets nothing in, or everything, would show nothing.
        Assert.InRange(accepted, 1, files.Length - 1);
    }
}
