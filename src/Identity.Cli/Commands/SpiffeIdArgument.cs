using Spiffe.Net;

namespace Identity.Cli.Commands;

/// <summary>A SPIFFE ID on the command line.</summary>
internal static class SpiffeIdArgument
{
    public static SpiffeId Parse(string text) =>
        SpiffeId.TryParse(text, out var id, out var problem) ? id : throw new UsageException($"'{text}' is not a SPIFFE ID: {problem}");
}
