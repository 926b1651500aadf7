namespace Identity.Policy.Analysis.Sets;

/// <summary>
/// Spans of numbers that may be asked for: a range of ports, a network. A permit means the spans that lie within its own, a forbid those
/// that meet it. Kept as rectangles of where a span may begin and where it may end.
/// </summary>
internal sealed class SpanSet : ValueSet
{
    private readonly Rectangle[] _rectangles;
    private readonly int _networkBits;

    private SpanSet(Rectangle[] rectangles, int networkBits) => (_rectangles, _networkBits) = (rectangles, networkBits);

    /// <param name="networkBits">Then spans are networks of addresses of this many bits; 0 for any spans.</param>
    public static SpanSet Within(UInt128 first, UInt128 last, int networkBits) => new([new Rectangle(first, last, first, last)], networkBits);

    public static SpanSet Touching(UInt128 first, UInt128 last, int networkBits) => new([new Rectangle(0, last, first, MaxOf(networkBits))], networkBits);

    public static SpanSet All(int networkBits) => Within(0, MaxOf(networkBits), networkBits);

    public override int Size => _rectangles.Length;

    public override ValueSet? Intersect(ValueSet pattern)
    {
        var shared = from mine in _rectangles from theirs in ((SpanSet)pattern)._rectangles select mine.Intersect(theirs);
        return Given(shared);
    }

    public override ValueSet? Except(ValueSet pattern)
    {
        IEnumerable<Rectangle> left = _rectangles;
        foreach (var cut in ((SpanSet)pattern)._rectangles) left = left.SelectMany(rectangle => rectangle.Except(cut)).ToArray();
        return Given(left);
    }

    /// <summary>The narrowest and lowest span of the set.</summary>
    public (UInt128 First, UInt128 Last) Example()
    {
        (UInt128 First, UInt128 Last)? best = null;
        foreach (var rectangle in _rectangles)
        {
            if (rectangle.Narrowest(_networkBits) is not { } span) continue;
            if (best is not { } known || span.Last - span.First < known.Last - known.First
                || (span.Last - span.First == known.Last - known.First && span.First < known.First)) best = span;
        }

        return best ?? throw new InvalidOperationException("an empty set was kept");
    }

    private static UInt128 MaxOf(int networkBits) => networkBits switch { 0 => 65_535, 32 => uint.MaxValue, _ => UInt128.MaxValue };

    private SpanSet? Given(IEnumerable<Rectangle> rectangles)
    {
        Rectangle[] some = [.. rectangles.Where(rectangle => rectangle.Narrowest(_networkBits) is not null)];
        return some.Length > 0 ? new SpanSet(some, _networkBits) : null;
    }

    private readonly record struct Rectangle(UInt128 LeastFirst, UInt128 MostFirst, UInt128 LeastLast, UInt128 MostLast)
    {
        public Rectangle Intersect(Rectangle other) => new(
            UInt128.Max(LeastFirst, other.LeastFirst), UInt128.Min(MostFirst, other.MostFirst),
            UInt128.Max(LeastLast, other.LeastLast), UInt128.Min(MostLast, other.MostLast));

        public IEnumerable<Rectangle> Except(Rectangle cut)
        {
            var shared = Intersect(cut);
            if (shared.LeastFirst > shared.MostFirst || shared.LeastLast > shared.MostLast)
            {
                yield return this;
                yield break;
            }

            if (LeastFirst < shared.LeastFirst) yield return this with { MostFirst = shared.LeastFirst - 1 };
            if (shared.MostFirst < MostFirst) yield return this with { LeastFirst = shared.MostFirst + 1 };
            if (LeastLast < shared.LeastLast) yield return shared with { LeastLast = LeastLast, MostLast = shared.LeastLast - 1 };
            if (shared.MostLast < MostLast) yield return shared with { LeastLast = shared.MostLast + 1, MostLast = MostLast };
        }

        public (UInt128 First, UInt128 Last)? Narrowest(int networkBits)
        {
            if (LeastFirst > MostFirst || LeastLast > MostLast || LeastFirst > MostLast) return null;
            if (networkBits == 0)
            {
                var single = UInt128.Max(LeastFirst, LeastLast);
                if (single <= UInt128.Min(MostFirst, MostLast)) return (single, single);
                // Then every beginning lies before every end.
                return MostFirst < LeastLast ? (MostFirst, LeastLast) : null;
            }

            // No smaller one reaches from where it may begin to where it has to end.
            var fewest = LeastLast > MostFirst ? 128 - (int)UInt128.LeadingZeroCount(LeastLast - MostFirst) : 0;
            for (var bits = fewest; bits <= networkBits; bits++)
            {
                // Networks of 2^bits addresses begin at multiples of it. Of 2^128 there is one.
                var above = bits == 128 ? UInt128.MaxValue : (UInt128.One << bits) - 1;
                if (MostLast - LeastFirst < above) return null;
                var least = UInt128.Max(LeastFirst, LeastLast > above ? LeastLast - above : 0);
                if (least > UInt128.MaxValue - above) continue;
                var first = (least + above) & ~above;
                if (first <= UInt128.Min(MostFirst, MostLast - above)) return (first, first + above);
            }

            return null;
        }
    }
}
