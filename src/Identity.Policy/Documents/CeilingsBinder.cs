namespace Identity.Policy.Documents;

/// <summary>Reads the <c>ceilings</c> of a rule. The bounds are what the runtime can be asked for at all.</summary>
internal sealed class CeilingsBinder(ProblemList problems)
{
    private const long MaxFuel = 1_000_000_000_000;
    private const int MaxCount = 10_000;
    private const int MaxTableElements = 10_000_000;

    public StatedCeilings? Bind(DocumentNode node)
    {
        var fields = Fields.Of(node, problems, "ceilings", ["memory", "memories", "fuel", "time", "instances", "tables", "tableElements"]);
        if (fields is null) return null;
        if (fields.IsEmpty) problems.Add(node, "empty ceilings say nothing; leave the field out or state one, such as { memory: 16MiB }");
        return new StatedCeilings
        {
            // 64 KiB is one page of WebAssembly, 4 GiB all that 32 bits address.
            MemoryBytes = Value<long>(fields.Optional("memory"), 64L << 10, 4L << 30, Quantities.TryParseSize, "16MiB"),
            Memories = Count(fields.Optional("memories"), MaxCount),
            Fuel = Value<long>(fields.Optional("fuel"), 1, MaxFuel, Quantities.TryParseCount, "1000000"),
            Time = Value(fields.Optional("time"), TimeSpan.FromMilliseconds(1), TimeSpan.FromHours(24), (Quantities.Parse<TimeSpan>)Quantities.TryParseTime, "5s"),
            Instances = Count(fields.Optional("instances"), MaxCount),
            Tables = Count(fields.Optional("tables"), MaxCount),
            TableElements = Count(fields.Optional("tableElements"), MaxTableElements),
        };
    }

    private int? Count(DocumentNode? node, int most) => (int?)Value<long>(node, 1, most, Quantities.TryParseCount, "4");

    private T? Value<T>(DocumentNode? node, T least, T most, Quantities.Parse<T> parse, string example) where T : struct =>
        Quantities.Bind(node, least, most, parse, example, problems);
}
