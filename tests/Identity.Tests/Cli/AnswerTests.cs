
namespace Identity.Tests.Cli;

/// <summary>How answers stand on a terminal, and in a file.</summary>
public sealed class AnswerTests
{
    [Fact]
    public void A_table_wraps_its_last_column_at_words_on_a_terminal_and_leaves_a_file_alone()
    {
        string[][] rows = [["d-1", "one two three four five six seven"], ["d-22", "https://example.org/one-long-word-that-stays-whole-for-copying"]];
        Assert.Equal(
            """
            ID    WHAT
            d-1   one two three four
                  five six seven
            d-22  https://example.org/one-long-word-that-stays-whole-for-copying

            """, Written(28));
        Assert.DoesNotContain(Written(0).Split('\n'), line => line.Trim() == "five six seven");
        Assert.DoesNotContain(Written(20).Split('\n'), line => line.Trim() == "five six seven");

        string Written(int width)
        {
            using var output = new StringWriter();
            Identity.Cli.Answer.Table(output, "nothing", ["ID", "WHAT"], rows, width);
            return output.ToString();
        }
    }

    [Theory]
    [InlineData(40, "ID        WHEN\nd-1       2026-01-01 00:00:00Z\n    one two three four five six seven\n")]
    [InlineData(24, "d-1\n    when  2026-01-01 00:00:00Z\n    what  one two three four five six seven\n")]
    public void A_table_whose_columns_leave_no_room_for_the_last_one_puts_it_below(int width, string expected)
    {
        using var output = new StringWriter();
        Identity.Cli.Answer.Table(output, "nothing", ["ID      ", "WHEN", "WHAT"], [["d-1", "2026-01-01 00:00:00Z", "one two three four five six seven"]], width);
        Assert.Equal(expected, output.ToString());
    }

    [Theory]
    [InlineData(50, "  + spiffe://example.org/components/greeter may\n      one two three four five six seven\n")]
    [InlineData(32, "  +\n      spiffe://example.org/components/greeter\n      may one two three four\n      five six seven\n")]
    [InlineData(0, "  + spiffe://example.org/components/greeter may one two three four five six seven\n")]
    [InlineData(20, "  + spiffe://example.org/components/greeter may one two three four five six seven\n")]
    public void A_long_line_is_wrapped_at_words_further_in_on_a_terminal_and_left_alone_in_a_file(int width, string expected)
    {
        using var output = new StringWriter();
        Identity.Cli.Answer.Line(output, "  + spiffe://example.org/components/greeter may one two three four five six seven", width);
        Assert.Equal(expected, output.ToString());
    }
}
