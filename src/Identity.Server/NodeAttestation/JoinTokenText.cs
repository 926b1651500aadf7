using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Spiffe.Net;

namespace Identity.Server.NodeAttestation;

/// <summary>A join token: whoever shows it first becomes the agent it stands for. A class, so that nothing prints it by accident.</summary>
internal sealed partial class JoinTokenText
{
    public const int MinLength = 22;
    public const int MaxLength = 128;

    private const int RandomBytes = 32;

    private JoinTokenText(string value)
    {
        Value = value;
        Hash = SHA256.HashData(Encoding.ASCII.GetBytes(value));
    }

    /// <summary>The secret. It leaves the server once, in the answer to whoever created it.</summary>
    public string Value { get; }

    /// <summary>SHA-256 of the token; all that is ever stored.</summary>
    public byte[] Hash { get; }

    public string HashHex => Convert.ToHexStringLower(Hash);

    public static JoinTokenText Create()
    {
        Span<byte> random = stackalloc byte[RandomBytes];
        RandomNumberGenerator.Fill(random);
        return new JoinTokenText(Base64Url.EncodeToString(random));
    }

    /// <param name="problem">Never quotes the text: it may be a real token with a slip of the hand in it.</param>
    public static bool TryParse(ReadOnlySpan<byte> text, [NotNullWhen(true)] out JoinTokenText? token, [NotNullWhen(false)] out string? problem)
    {
        token = null;
        if (text.Length is < MinLength or > MaxLength)
        {
            problem = $"the join token has {text.Length} bytes; expected {MinLength} to {MaxLength}";
            return false;
        }

        var value = Encoding.Latin1.GetString(text);
        if (!TokenPattern().IsMatch(value))
        {
            problem = "the join token has a character that is not one of a-z, A-Z, 0-9, '_' and '-'";
            return false;
        }

        token = new JoinTokenText(value);
        problem = null;
        return true;
    }

    /// <summary>
    /// The agent that this token makes. SPIRE puts the token itself into the ID; IDs are public and tokens are not, so ours holds half of
    /// its hash: enough that no second token gives the same agent, too little to be the hash that is stored.
    /// </summary>
    public SpiffeId AgentId(TrustDomain trustDomain) =>
        SpiffeId.FromSegments(trustDomain, "spire", "agent", "join_token", Convert.ToHexStringLower(Hash.AsSpan(0, 16)));

    public override string ToString() => "join token (secret)";

    [GeneratedRegex(@"\A[a-zA-Z0-9_-]+\z", RegexOptions.CultureInvariant)]
    private static partial Regex TokenPattern();
}
