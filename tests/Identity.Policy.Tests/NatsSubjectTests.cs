
namespace Identity.Policy.Tests;

public sealed class NatsSubjectTests
{
    [Theory]
    [InlineData("greetings")]
    [InlineData("greetings.hello")]
    [InlineData("greetings.*")]
    [InlineData("greetings.>")]
    [InlineData("*.*.>")]
    [InlineData("$SYS.>")]
    [InlineData("a-b_c.D9")]
    public void Reads_what_every_server_accepts(string text) => Assert.Equal(text, NatsSubject.Parse(text).Text);

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("a.")]
    [InlineData(".a")]
    [InlineData("a..b")]
    [InlineData("a b")]
    [InlineData("a.b workers")]
    [InlineData("a\tb")]
    [InlineData("a\n")]
    [InlineData("a\0")]
    [InlineData("ü")]
    [InlineData(">.a")]
    [InlineData("a.>.b")]
    [InlineData("a>")]
    [InlineData("a*")]
    [InlineData("a.*b")]
    [InlineData("a.**")]
    [InlineData("1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17")]
    public void Refuses(string text)
    {
        Assert.False(NatsSubject.TryParse(text, out _, out var problem));
        Assert.NotEmpty(problem);
    }

    [Fact]
    public void Refuses_more_than_255_characters() => Assert.False(NatsSubject.TryParse(new string('a', 256), out _, out _));

    [Fact]
    public void Covering_and_overlapping_are_those_of_the_subjects_that_are_meant()
    {
        // Every pattern of up to three tokens over a, b and the wildcards, against every subject of up to four tokens.
        string[] tokens = ["a", "b", "*", ">"];
        var patterns = Words(tokens, 3).Where(word => NatsSubject.TryParse(word, out _, out _)).Select(NatsSubject.Parse).ToArray();
        var subjects = Words(["a", "b", "c"], 4).Select(NatsSubject.Parse).ToArray();
        var meant = patterns.ToDictionary(pattern => pattern, pattern => subjects.Where(subject => Means(pattern.Text, subject.Text)).ToHashSet());
        foreach (var left in patterns)
        {
            foreach (var right in patterns)
            {
                Assert.True(left.Covers(right) == meant[right].IsSubsetOf(meant[left]), $"{left} covers {right}");
                Assert.True(left.Overlaps(right) == meant[left].Overlaps(meant[right]), $"{left} overlaps {right}");
            }
        }
    }

    private static IEnumerable<string> Words(string[] tokens, int longest)
    {
        IEnumerable<string> words = tokens;
        for (var length = 1; length <= longest; length++)
        {
            foreach (var word in words) yield return word;
            words = words.SelectMany(_ => tokens, (word, token) => $"{word}.{token}").ToArray();
        }
    }

    private static bool Means(string pattern, string subject)
    {
        var (left, right) = (pattern.Split('.'), subject.Split('.'));
        for (var i = 0; i < left.Length; i++)
        {
            if (left[i] == ">") return right.Length > i;
            if (i >= right.Length || (left[i] != "*" && left[i] != right[i])) return false;
        }

        return left.Length == right.Length;
    }
}
