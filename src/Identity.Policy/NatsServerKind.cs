namespace Identity.Policy;

/// <summary>What a nats-server does with a deny of subjects to subscribe to, which follows from its version.</summary>
public enum NatsServerKind
{
    /// <summary>
    /// Before 2.11.16, and 2.12.0 to 2.12.6. It looks at what it delivers only to somebody who has subscribed to the whole of something that is denied, and so is not
    /// told of a permit with a wildcard beside a deny that could be evaded. Also what is taken for one whose version cannot be read.
    /// </summary>
    Older = 0,

    /// <summary>2.11.16, 2.12.7, 2.14 and whatever came later. It looks at all that a deny has to do with.</summary>
    Current,
}

public static class NatsServerKinds
{
    /// <summary>For a person.</summary>
    public const string OlderVersions = "nats-server before 2.11.16, and 2.12.0 to 2.12.6";

    // The first of each minor release that looks at all; there is no 2.13.
    private static readonly Version[] Mended = [new(2, 11, 16), new(2, 12, 7), new(2, 14, 0)];

    /// <param name="version">As a nats-server tells it: <c>2.10.27</c>, <c>2.14.0-RC.1</c>. What is read as none is older.</param>
    public static NatsServerKind KindOf(string? version)
    {
        var numbers = version.AsSpan();
        var dash = numbers.IndexOf('-');
        var isBeforeRelease = dash >= 0;
        if (isBeforeRelease) numbers = numbers[..dash];
        if (numbers.Length > 32 || !Version.TryParse(numbers, out var told) || told.Build < 0 || told.Revision >= 0) return NatsServerKind.Older;
        var mended = Array.FindLast(Mended, first => first.Major < told.Major || (first.Major == told.Major && first.Minor <= told.Minor));
        return mended is not null && (isBeforeRelease ? told > mended : told >= mended) ? NatsServerKind.Current : NatsServerKind.Older;
    }
}
