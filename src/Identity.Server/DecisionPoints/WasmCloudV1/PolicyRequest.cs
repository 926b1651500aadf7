using System.Diagnostics.CodeAnalysis;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>What a wasmCloud v1 host may ask its policy service.</summary>
internal enum PolicyRequestKind
{
    Unknown = 0,
    StartComponent,
    StartProvider,
    PerformInvocation,
}

/// <summary>
/// One request of a v1 host's policy client, version <c>v1</c>, whatever topic it came on. Nothing in it is proven: who may publish on the
/// topic may say anything.
/// </summary>
internal sealed record PolicyRequest
{
    /// <summary>The fields a request has in practice come to well under 4 KB; annotations may be longer.</summary>
    public static readonly JsonBounds Bounds = new(64 * 1024, 8);

    private const int MaxName = 256;
    private const int MaxReference = 1024;

    // Of all that is remembered of a question but its id. Real ones have about two hundred.
    private const int MaxTogether = 1024;

    /// <summary>The host's, one for each decision it keeps; it repeats none.</summary>
    public required string RequestId { get; init; }

    public required PolicyRequestKind Kind { get; init; }

    public required string Lattice { get; init; }

    /// <summary>An nkey the host made up itself; it tells two hosts apart and proves nothing.</summary>
    public required string HostKey { get; init; }

    /// <summary>The component or provider that would start, or be called.</summary>
    public required string Id { get; init; }

    public required string ImageReference { get; init; }

    /// <summary>Of a component's start; 0 stops it.</summary>
    public long MaxInstances { get; init; }

    /// <summary>Of an invocation: <c>ns:pkg/iface</c>, with or without a version.</summary>
    public string Interface { get; init; } = "";

    /// <summary>Of an invocation.</summary>
    public string Function { get; init; } = "";

    /// <summary>Stops what runs, and starts nothing.</summary>
    public bool IsStop => Kind == PolicyRequestKind.StartComponent && MaxInstances == 0;

    /// <summary>Reads a message. Members we do not know are passed over: they can only tell more about what is asked.</summary>
    /// <param name="requestId">What could be read of it, for the refusal; empty when nothing could.</param>
    public static bool TryParse(
        ReadOnlyMemory<byte> body, [NotNullWhen(true)] out PolicyRequest? request, out string requestId, [NotNullWhen(false)] out string? problem)
    {
        request = null;
        requestId = "";
        if (!JsonReading.TryParse(body, Bounds, out var document, out problem)) return false;
        using (document)
        {
            var reading = new JsonReading();
            var root = document.RootElement;
            requestId = reading.Text(root, "", "requestId", 64, required: true) ?? "";
            if (requestId.AsSpan().ContainsAnyExceptInRange('!', '~')) reading.Fail("requestId has characters that are not printable ASCII");
            if (reading.Problem is not null) requestId = "";
            if (reading.Text(root, "", "version", 16, required: true) is { } version && version != "v1") reading.Fail("version is not v1");
            var kind = KindOf(reading.Text(root, "", "kind", 32, required: true));
            var host = reading.Object(root, "", "host", required: true);
            var asked = reading.Object(root, "", "request", required: kind != PolicyRequestKind.Unknown);
            var target = kind == PolicyRequestKind.PerformInvocation ? reading.Object(asked, "request", "target", required: true) : asked;
            var path = kind == PolicyRequestKind.PerformInvocation ? "request.target" : "request";
            var isKnown = kind != PolicyRequestKind.Unknown;
            var read = new PolicyRequest
            {
                RequestId = requestId,
                Kind = kind,
                Lattice = reading.Text(host, "host", "lattice", MaxName, required: true) ?? "",
                HostKey = reading.Text(host, "host", "publicKey", MaxName, required: true) ?? "",
                Id = isKnown ? reading.Text(target, path, kind == PolicyRequestKind.StartProvider ? "providerId" : "componentId", MaxName, required: true) ?? "" : "",
                ImageReference = isKnown ? reading.Text(target, path, "imageRef", MaxReference, required: true) ?? "" : "",
                MaxInstances = kind == PolicyRequestKind.StartComponent ? ReadMaxInstances(reading, target) : 0,
                Interface = kind == PolicyRequestKind.PerformInvocation ? reading.Text(asked, "request", "interface", MaxName, required: true) ?? "" : "",
                Function = kind == PolicyRequestKind.PerformInvocation ? reading.Text(asked, "request", "function", MaxName, required: true) ?? "" : "",
            };
            var together = read.Lattice.Length + read.HostKey.Length + read.Id.Length + read.ImageReference.Length + read.Interface.Length + read.Function.Length;
            if (together > MaxTogether) reading.Fail($"its names and references have {together} characters together; at most {MaxTogether} are read");
            problem = reading.Problem;
            request = problem is null ? read : null;
            return problem is null;
        }
    }

    private static long ReadMaxInstances(JsonReading reading, System.Text.Json.JsonElement? target)
    {
        // Absent must not read as 0: that is the one number that starts nothing.
        if (reading.Number(target, "request", "maxInstances") is { } count and >= 0 and <= uint.MaxValue) return count;
        reading.Fail("request.maxInstances is missing or not a number from 0 to 4294967295");
        return -1;
    }

    private static PolicyRequestKind KindOf(string? text) => text switch
    {
        "startComponent" => PolicyRequestKind.StartComponent,
        "startProvider" => PolicyRequestKind.StartProvider,
        "performInvocation" => PolicyRequestKind.PerformInvocation,
        _ => PolicyRequestKind.Unknown,
    };
}
