using System.Text.Json;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>The ids by which the operator speaks of workloads: the UID of a custom resource.</summary>
internal static class WorkloadIds
{
    public const int MaxLength = 128;

    /// <summary>The <c>workloadId</c> of a start, stop or status request; a problem when it is missing or could break a subject.</summary>
    public static string? Read(JsonReading reading, JsonElement request)
    {
        var id = reading.Text(request, "", "workloadId", MaxLength, required: true);
        if (id is null || IsOne(id)) return id;
        reading.Fail("workloadId is not 1 to 128 of a-z, A-Z, 0-9, '-' and '_'");
        return null;
    }

    /// <summary>The <c>workloadId</c> of a request that is otherwise not looked at; null when there is none to be read.</summary>
    public static string? Peek(ReadOnlyMemory<byte> request)
    {
        if (!JsonReading.TryParse(request, new JsonBounds(4096, 4), out var document, out _)) return null;
        using (document)
        {
            var reading = new JsonReading();
            return Read(reading, document.RootElement) is { } id && reading.Problem is null ? id : null;
        }
    }

    private static bool IsOne(string text) => text.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_');
}
