using Spiffe.Net;

namespace Identity.Tests.SpiffeNet;

/// <summary>RFC 7515 §2 and §7.1: a token has one spelling, so that two who hold it never hold two.</summary>
public class JwtSvidSpellingTests
{
    private static readonly JwtForge Forge = JwtForge.Es256();
    private static readonly TrustBundleSet Bundles = Forge.Bundles();

    [Fact]
    [Trait("rule", "JWT-01")]
    public void Base64url_has_one_spelling_in_every_part()
    {
        // Neither part ends with a byte, so each ends with bits that count for nothing.
        var (header, claims) = (JwtForge.Encode(JwtForge.GoodHeader), JwtForge.Encode(JwtForge.Claims(more: "\"x\":123")));
        Assert.Equal((3, 2), (header.Length % 4, claims.Length % 4));
        foreach (var change in new Func<string, string>[] { p => p + "=", p => p + "==", p => p + " ", p => p + "\r\n", p => p.Insert(4, "\n"), p => p.Insert(4, "+"), p => p.Insert(4, "/"), p => p + "\u0000", StrayBit, OneOver })
        {
            foreach (var token in Changed(change)) AssertRefused("not three base64url parts", Verify(token));
        }

        // What is a character longer or shorter may be base64url of something else, which then is no header, no claims or no signature.
        foreach (var change in new Func<string, string>[] { p => p + "A", p => p[..^1] })
        {
            var reasons = Changed(change).Select(token => Assert.IsType<JwtSvidVerification.Refused>(Verify(token)).Reason).ToList();
            Assert.All(reasons, reason => Assert.Matches("not three base64url parts|not a JSON object|signature of the token", reason));
        }

        // The changed part is what was signed: nothing else is wrong.
        string[] Changed(Func<string, string> change)
        {
            var good = Forge.SignEncoded(header, claims);
            Assert.IsType<JwtSvidVerification.Verified>(Verify(good));
            var signature = good.LastIndexOf('.') + 1;
            return [Forge.SignEncoded(change(header), claims), Forge.SignEncoded(header, change(claims)), good[..signature] + change(good[signature..])];
        }

        // RFC 4648 §3.5: the bits that count for nothing are zero, so the next character of the alphabet says the same to whoever does not look.
        static string StrayBit(string part)
        {
            const string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            return part[..^1] + alphabet[alphabet.IndexOf(part[^1], StringComparison.Ordinal) + 1];
        }

        // Four characters are three bytes; one left over is none.
        static string OneOver(string part) => part + new string('A', (5 - (part.Length % 4)) % 4);
    }

    private static JwtSvidVerification Verify(string token) => JwtSvidVerifier.Verify(token, "spiffe://example.org/nats", Bundles, JwtForge.Now);

    private static void AssertRefused(string reason, JwtSvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<JwtSvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);
}
