using System.Text;
using System.Text.RegularExpressions;
using Spiffe.Net;

namespace Identity.Fuzzing;

/// <summary>SPIFFE-ID §2, against a second reading of it that shares no code with ours.</summary>
internal static partial class SpiffeIdTarget
{
    [GeneratedRegex(@"\Aspiffe://[a-z0-9._-]{1,255}(/[a-zA-Z0-9._-]+)*\z", RegexOptions.CultureInvariant)]
    private static partial Regex Shape();

    public static bool IsSpiffeId(string text) => text.Length <= 2048 && Shape().IsMatch(text) && !text.Split('/')[3..].Any(segment => segment is "." or "..");

    public static bool Run(byte[] input)
    {
        var text = Encoding.UTF8.GetString(input);
        var accepted = SpiffeId.TryParse(text, out var id, out var problem);
        Invariant.Holds(accepted == IsSpiffeId(text), $"accepted: {accepted}, and a second reading says otherwise");
        if (!accepted)
        {
            Invariant.Holds(problem is { Length: > 0 and <= 1024 } && problem.All(c => c is (>= ' ' and <= '~') or '…'), "a refusal is bounded and printable");
            return false;
        }

        Invariant.Holds(id!.ToString() == text, "an ID reads as it was written");
        Invariant.Holds(id.HasPath == id.Segments.Count > 0 && id.TrustDomain.Id + string.Concat(id.Segments.Select(segment => "/" + segment)) == text, "an ID is the sum of its parts");
        Invariant.Holds(TrustDomain.TryParse(id.TrustDomain.Name, out var domain, out _) && id.IsMemberOf(domain), "an ID belongs to its trust domain");
        Invariant.Holds(SpiffeId.FromSegments(id.TrustDomain, [.. id.Segments]) == id, "an ID can be put together again");
        return true;
    }

    public static IEnumerable<(string, byte[])> Seeds()
    {
        string[] seeds =
        [
            "spiffe://td", "spiffe://td/x", "spiffe://a_b.c-d/X_y.z-0", "spiffe://127.0.0.1/x", "spiffe://td/...", "spiffe://td/../x", "spiffe://td/x/.",
            "spiffe://td//x", "spiffe://td/x/", "spiffe://TD/x", "spiffe://td/%41", "spiffe://u@td:1/x?q#f", "spiffe://bücher/é", "spiffe://[::1]/x", "https://td/x",
        ];
        return seeds.Select((seed, index) => ($"{index:00}", Encoding.UTF8.GetBytes(seed)));
    }
}
