using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>A key of a bundle has one spelling (RFC 7515 §2, RFC 7518 §2 and §6.2.1.2).</summary>
public sealed class JsonWebKeyTests
{
    public static TheoryData<string> OtherSpellings => ["padding", "space", "line break", "stray bits", "not url", "a zero in front", "no zero in front"];

    [Fact]
    public void Reads_numbers_as_they_are_to_be_written()
    {
        var (x, y) = PointWithZeroInFront();
        Assert.Null(FindEcProblem(Base64Url.EncodeToString(x), Base64Url.EncodeToString(y)));
        using var rsa = RSA.Create(2048);
        Assert.Null(FindRsaProblem(Base64Url.EncodeToString(rsa.ExportParameters(false).Modulus), "AQAB"));
    }

    [Theory]
    [MemberData(nameof(OtherSpellings))]
    [Trait("rule", "TDB-04")]
    public void Refuses_any_other_spelling_of_a_coordinate(string spelling)
    {
        var (x, y) = PointWithZeroInFront();
        var text = Base64Url.EncodeToString(x);
        Assert.Contains("base64url", FindEcProblem(Respell(text, x, spelling), Base64Url.EncodeToString(y)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("padding")]
    [InlineData("line break")]
    [InlineData("stray bits")]
    [InlineData("a zero in front")]
    [Trait("rule", "TDB-04")]
    public void Refuses_any_other_spelling_of_a_modulus(string spelling)
    {
        using var rsa = RSA.Create(2048);
        var modulus = rsa.ExportParameters(false).Modulus!;
        Assert.Contains("base64url", FindRsaProblem(Respell(Base64Url.EncodeToString(modulus), modulus, spelling), "AQAB"), StringComparison.Ordinal);
        Assert.Contains("base64url", FindRsaProblem(Base64Url.EncodeToString(modulus), "AAEAAQ"), StringComparison.Ordinal);
    }

    private static string Respell(string text, byte[] number, string how) => how switch
    {
        "padding" => text + "=",
        "space" => text[..8] + " " + text[8..],
        "line break" => text + "\\n",
        // The last character of 32 and of 256 bytes has low bits that are all zero.
        "stray bits" => text[..^1] + (char)(text[^1] + 1),
        "not url" => text[..^2] + "+A",
        "a zero in front" => Base64Url.EncodeToString([0, .. number]),
        _ => Base64Url.EncodeToString(number.AsSpan(1)),
    };

    private static (byte[] X, byte[] Y) PointWithZeroInFront()
    {
        while (true)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var point = key.ExportParameters(false).Q;
            if (point.X![0] == 0) return (point.X, point.Y!);
        }
    }

    private static string? FindEcProblem(string x, string y) => FindProblem($$"""{"kty":"EC","use":"jwt-svid","kid":"a","crv":"P-256","x":"{{x}}","y":"{{y}}"}""");

    private static string? FindRsaProblem(string n, string e) => FindProblem($$"""{"kty":"RSA","use":"jwt-svid","kid":"a","n":"{{n}}","e":"{{e}}"}""");

    private static string? FindProblem(string key)
    {
        TrustBundle.TryParse(TrustDomain.Parse("example.org"), Encoding.UTF8.GetBytes($$"""{"keys":[{{key}}]}"""), out _, out var problem);
        return problem;
    }
}
