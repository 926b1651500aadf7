namespace Identity.Policy;

/// <summary>
/// How a component spells one function of an interface (component model, Binary.md, "plainname"): <c>get</c>, <c>[method]bucket.get</c>,
/// <c>[static]bucket.open</c>, <c>[constructor]bucket</c>, each also with <c>async</c>.
/// </summary>
internal static class FunctionName
{
    public const int MaxLength = 256;

    private static readonly string[] Members = ["[method]", "[static]", "[async method]", "[async static]"];

    public static string? FindProblem(ReadOnlySpan<char> text)
    {
        if (text.Length > MaxLength) return $"the name of the function has {text.Length} characters; at most {MaxLength} are allowed";
        return IsValid(text)
            ? null
            : $"{Quoted.From(text)} is not the name of a function; expected one such as get, [method]bucket.get, [static]bucket.open or [constructor]bucket";
    }

    private static bool IsValid(ReadOnlySpan<char> text)
    {
        foreach (var annotation in Members)
        {
            if (!text.StartsWith(annotation, StringComparison.Ordinal)) continue;
            var member = text[annotation.Length..];
            var dot = member.IndexOf('.');
            return dot > 0 && InterfaceName.IsLabel(member[..dot]) && InterfaceName.IsLabel(member[(dot + 1)..]);
        }

        foreach (var annotation in (ReadOnlySpan<string>)["[constructor]", "[async]"])
        {
            if (text.StartsWith(annotation, StringComparison.Ordinal)) return InterfaceName.IsLabel(text[annotation.Length..]);
        }

        return InterfaceName.IsLabel(text);
    }
}
