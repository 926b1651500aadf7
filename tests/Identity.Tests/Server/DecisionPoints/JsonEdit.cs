using System.Text.Json.Nodes;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>A sample with one member changed, so that a test says what it is about.</summary>
internal static class JsonEdit
{
    /// <param name="path">Such as <c>request.object.spec.components[0].image</c>.</param>
    /// <param name="value">JSON; null removes the member.</param>
    public static string With(this string text, string path, string? value)
    {
        var root = JsonNode.Parse(text)!;
        var steps = path.Replace("[", ".[", StringComparison.Ordinal).Split('.');
        var parent = steps[..^1].Aggregate(root, (node, step) => step[0] == '[' ? node[int.Parse(step[1..^1], null)]! : node[step]!);
        if (steps[^1][0] == '[') parent[int.Parse(steps[^1][1..^1], null)] = JsonNode.Parse(value!);
        else if (value is null) ((JsonObject)parent).Remove(steps[^1]);
        else parent[steps[^1]] = JsonNode.Parse(value);
        return root.ToJsonString();
    }
}
