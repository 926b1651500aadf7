namespace Identity.Dev;

/// <summary>Tells what happens: one line a fact, progress that a terminal overwrites, colour only on a terminal.</summary>
internal sealed class Teller(TextWriter output)
{
    private const int Width = 12;
    private readonly bool terminal = !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
    private bool progress;

    public void Chapter(string title)
    {
        Clear();
        output.WriteLine();
        output.WriteLine(Paint("1", title));
    }

    /// <summary>What is being waited for; gone when the next line comes.</summary>
    public void Doing(string what)
    {
        if (!terminal)
            return;
        Clear();
        output.Write(Paint("2", $"  … {what}"));
        progress = true;
    }

    /// <summary>Something happened as it should.</summary>
    public void Fact(string who, string what) => Line("32", "✓", who, what);

    /// <summary>Something was refused, as it should be.</summary>
    public void Refusal(string who, string what) => Line("33", "✗", who, what);

    public void Detail(string text)
    {
        Clear();
        foreach (var line in text.TrimEnd().Split('\n'))
            output.WriteLine(Paint("2", $"    {new string(' ', Width)} {line}"));
    }

    public void Failed(string problem) => Line("31", "!", "failed", problem);

    public void Say(string text)
    {
        Clear();
        output.WriteLine();
        output.WriteLine(text);
    }

    private void Line(string colour, string mark, string who, string what)
    {
        Clear();
        output.WriteLine($"  {Paint(colour, mark)} {Paint("1", who.PadRight(Width))} {what}");
    }

    private void Clear()
    {
        if (progress)
            output.Write("\r\u001b[K");
        progress = false;
    }

    private string Paint(string code, string text) => terminal ? $"\u001b[{code}m{text}\u001b[0m" : text;
}
