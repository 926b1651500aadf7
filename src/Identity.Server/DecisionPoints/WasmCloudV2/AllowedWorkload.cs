using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>A workload that a door let through and that is not known to be gone.</summary>
/// <param name="Id">As its door names it; nobody else of that door has the same.</param>
/// <param name="Share">Whose room it takes: its namespace.</param>
/// <param name="Text">Namespace and name as a person reads them, quoted and bounded.</param>
/// <param name="Asks">What it asked for; null when nobody here knows that.</param>
internal sealed record AllowedWorkload(string Id, string Share, string Text, WorkloadAsks? Asks)
{
    // An entry of three tables, and the object.
    private const int Overhead = 300;

    /// <summary>Without what it asks for, which others may ask for as well.</summary>
    public long Bytes => Overhead + (2L * (Id.Length + Share.Length + Text.Length));
}

/// <summary>What one workload, or many alike, asked for. Equal are those that ask for the same.</summary>
internal sealed class WorkloadAsks(IReadOnlyList<Question> questions) : IEquatable<WorkloadAsks>
{
    // A parsed request, as much as its text and the objects around it.
    private const int BytesOfOne = 300;

    public IReadOnlyList<Question> Questions => questions;

    /// <summary>As <see cref="Read"/> reads it: a line for each principal, with a line that begins with a space for each thing it asks for.</summary>
    public string Text { get; } = TextOf(questions);

    public long Bytes => (2L * Text.Length) + ((long)BytesOfOne * questions.Sum(question => 1 + question.Requests.Count));

    public bool Equals(WorkloadAsks? other) => other is not null && other.Text == Text;

    public override bool Equals(object? obj) => Equals(obj as WorkloadAsks);

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    /// <param name="share">The namespace of all of them.</param>
    /// <returns>Null when it is not what this version writes: then nobody knows what was asked for.</returns>
    public static WorkloadAsks? Read(string text, string share)
    {
        var found = new List<Question>();
        List<CapabilityRequest> requests = [];
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line[0] == ' ')
            {
                if (!CapabilityRequest.TryParse(line[1..], out var request, out _)) return null;
                requests.Add(request);
                continue;
            }

            ImageReference? image = null;
            if (line.Split(' ') is not [var id, var pulled, var unknown] || !SpiffeId.TryParse(id, out var who, out _) || !Enum.TryParse<PrincipalAttributes>(unknown, out var attributes)) return null;
            if (pulled.Length > 0 && !ImageReference.TryParse(pulled, out image, out _)) return null;
            found.Add(new Question(new Principal { Id = who, Image = image, Namespace = share, Unknown = attributes }, requests = []));
        }

        var read = new WorkloadAsks(found);
        return read.Text == text ? read : null;
    }

    private static string TextOf(IReadOnlyList<Question> questions)
    {
        var text = new System.Text.StringBuilder();
        foreach (var (principal, requests) in questions)
        {
            // None of these can have a line break within.
            text.Append(principal.Id).Append(' ').Append(principal.Image).Append(' ').Append((int)principal.Unknown).Append('\n');
            foreach (var request in requests) text.Append(' ').Append(request).Append('\n');
        }

        return text.ToString();
    }
}
