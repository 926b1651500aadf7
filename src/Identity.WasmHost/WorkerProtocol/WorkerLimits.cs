namespace Identity.WasmHost.WorkerProtocol;

/// <summary>What one component may use. Wasmtime's own defaults allow 10,000 memories of 4 GiB each, so every number is always set.</summary>
internal sealed record WorkerLimits
{
    /// <summary>Bytes per linear memory. Small, because a list passed to the host costs about 150 times its size here.</summary>
    public long MemoryBytes { get; init; } = 16 << 20;

    public int Memories { get; init; } = 4;

    public uint TableElements { get; init; } = 20_000;

    public int Tables { get; init; } = 32;

    public int Instances { get; init; } = 32;

    /// <summary>Units of fuel for one start and call; about 10^9 in a second.</summary>
    public ulong Fuel { get; init; } = 2_000_000_000;

    /// <summary>Milliseconds of wall clock for instantiation and the call of <c>run</c>, checked where the guest is back in its own code.</summary>
    public int CallMilliseconds { get; init; } = 20_000;

    /// <summary>Milliseconds the whole start may take, compilation included, before the supervisor kills the worker.</summary>
    public int StartMilliseconds { get; init; } = 60_000;

    /// <summary>Bytes of one message body.</summary>
    public int MessageBytes { get; init; } = 1 << 20;
}

/// <summary>How a component's own NATS connection is made.</summary>
/// <param name="Url">Only <c>tls://</c>: the token is a bearer token.</param>
/// <param name="CaFile">PEM file with the roots that the server's certificate must lead to.</param>
/// <param name="Audience">Audience of the JWT-SVID that is presented as the token.</param>
/// <param name="ServerId">SPIFFE ID that the server's certificate must carry.</param>
/// <param name="InboxPrefix">Where replies to this identity may come; null takes the client's own, which a grant seldom covers.</param>
internal sealed record NatsAccess(string Url, string CaFile, string Audience, string ServerId, string? InboxPrefix = null);
