namespace Identity.Policy;

/// <summary>The ceilings that a rule states; null where it says nothing.</summary>
public sealed record StatedCeilings
{
    public static StatedCeilings None { get; } = new();

    public long? MemoryBytes { get; init; }

    public int? Memories { get; init; }

    public long? Fuel { get; init; }

    public TimeSpan? Time { get; init; }

    public int? Instances { get; init; }

    public int? Tables { get; init; }

    public int? TableElements { get; init; }

    /// <summary>The smaller of what both state, so that the order of rules never matters.</summary>
    public StatedCeilings SmallestWith(StatedCeilings other)
    {
        if (this == None) return other;
        if (other == None) return this;
        return new StatedCeilings
        {
            MemoryBytes = Smallest(MemoryBytes, other.MemoryBytes),
            Memories = Smallest(Memories, other.Memories),
            Fuel = Smallest(Fuel, other.Fuel),
            Time = Smallest(Time, other.Time),
            Instances = Smallest(Instances, other.Instances),
            Tables = Smallest(Tables, other.Tables),
            TableElements = Smallest(TableElements, other.TableElements),
        };
    }

    public ResourceCeilings Over(ResourceCeilings defaults) => this == None ? defaults : new ResourceCeilings
    {
        MemoryBytes = MemoryBytes ?? defaults.MemoryBytes,
        Memories = Memories ?? defaults.Memories,
        Fuel = Fuel ?? defaults.Fuel,
        Time = Time ?? defaults.Time,
        Instances = Instances ?? defaults.Instances,
        Tables = Tables ?? defaults.Tables,
        TableElements = TableElements ?? defaults.TableElements,
    };

    private static T? Smallest<T>(T? left, T? right) where T : struct, IComparable<T> =>
        left is null ? right : right is null || left.Value.CompareTo(right.Value) <= 0 ? left : right;
}
