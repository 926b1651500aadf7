namespace Identity.Policy;

/// <summary>Versions as the Wasmtime linker compares them (semver 2.0 §2, §9-§11; a track is what it lets stand in for each other).</summary>
internal static class SemanticVersion
{
    public static bool IsValid(ReadOnlySpan<char> version)
    {
        var plus = version.IndexOf('+');
        if (plus >= 0 && !AreIdentifiers(version[(plus + 1)..], leadingZeros: true)) return false;
        var core = plus < 0 ? version : version[..plus];
        var dash = core.IndexOf('-');
        if (dash >= 0 && !AreIdentifiers(core[(dash + 1)..], leadingZeros: false)) return false;
        if (dash >= 0) core = core[..dash];

        var numbers = 0;
        foreach (var range in core.Split('.'))
        {
            if (!IsNumber(core[range])) return false;
            numbers++;
        }

        return numbers == 3;
    }

    /// <summary>
    /// 1.4.2 is on track 1, 0.2.7 on track 0.2; 0.0.z and pre-releases stand for themselves alone, build metadata included,
    /// because the linker then compares the whole name.
    /// </summary>
    public static ReadOnlySpan<char> TrackOf(ReadOnlySpan<char> validVersion)
    {
        var plus = validVersion.IndexOf('+');
        var core = plus < 0 ? validVersion : validVersion[..plus];
        if (core.Contains('-')) return validVersion;
        var first = core.IndexOf('.');
        if (core[..first] is not "0") return core[..first];
        var second = first + 1 + core[(first + 1)..].IndexOf('.');
        return core[(first + 1)..second] is "0" ? validVersion : core[..second];
    }

    // The linker reads each number into 64 bits and falls back to whole names beyond that; such versions are refused instead.
    private static bool IsNumber(ReadOnlySpan<char> text) =>
        text.Length is > 0 and <= 18 && text.IndexOfAnyExceptInRange('0', '9') < 0 && (text.Length == 1 || text[0] != '0');

    private static bool AreIdentifiers(ReadOnlySpan<char> text, bool leadingZeros)
    {
        foreach (var range in text.Split('.'))
        {
            var identifier = text[range];
            if (identifier.IsEmpty) return false;
            foreach (var character in identifier)
            {
                if (!char.IsAsciiLetterOrDigit(character) && character != '-') return false;
            }

            var isNumeric = identifier.IndexOfAnyExceptInRange('0', '9') < 0;
            if (isNumeric && !leadingZeros && identifier.Length > 1 && identifier[0] == '0') return false;
        }

        return true;
    }
}
