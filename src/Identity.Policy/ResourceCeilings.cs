namespace Identity.Policy;

/// <summary>
/// What a component may use. Every value is always set: the runtime's own defaults are generous (memory is limited per linear memory,
/// so without a limit on their number a memory limit says little).
/// </summary>
public sealed record ResourceCeilings
{
    /// <summary>What holds where no rule states otherwise.</summary>
    public static ResourceCeilings Default { get; } = new()
    {
        MemoryBytes = 16L << 20,
        Memories = 4,
        Fuel = 1_000_000_000,
        Time = TimeSpan.FromSeconds(5),
        Instances = 64,
        Tables = 64,
        TableElements = 10_000,
    };

    /// <summary>Bytes of each linear memory.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Linear memories of one instance.</summary>
    public required int Memories { get; init; }

    /// <summary>Fuel of one call, in Wasmtime's units: about one an instruction.</summary>
    public required long Fuel { get; init; }

    /// <summary>Wall-clock time of one call.</summary>
    public required TimeSpan Time { get; init; }

    /// <summary>Core instances of one component instance.</summary>
    public required int Instances { get; init; }

    public required int Tables { get; init; }

    /// <summary>Elements of each table.</summary>
    public required int TableElements { get; init; }
}
