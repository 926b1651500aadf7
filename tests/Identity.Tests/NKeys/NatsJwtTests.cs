using System.Buffers.Text;
using System.Text;
using NATS.NKeys;

namespace Identity.Tests.NKeys;

public sealed class NatsJwtTests : IDisposable
{
    private readonly KeyPair issuer = KeyPair.CreatePair(NKeyPrefix.Account);

    [Fact]
    public void What_was_signed_verifies_and_says_who_signed()
    {
        var token = NatsJwt.Sign(issuer, Claims());
        Assert.True(NatsJwt.TryVerify(token, out var jwt, out _));
        using (jwt)
        {
            Assert.Equal(issuer.GetPublicKey(), jwt.Issuer);
            Assert.Equal("x", jwt.Claims.GetProperty("sub").GetString());
        }
    }

    [Theory]
    [InlineData("""{"typ":"JWT","alg":"ed25519-nkey"}""", true)]
    [InlineData("""{ "alg": "ed25519-nkey", "typ": "jwt" }""", true)]
    [InlineData("""{"typ":"JWT","alg":"ed25519"}""", false)] // version 1 signs the claims alone
    [InlineData("""{"typ":"JWT","alg":"none"}""", false)]
    [InlineData("""{"typ":"JWT","alg":"EdDSA"}""", false)]
    [InlineData("""{"typ":"JWT"}""", false)]
    [InlineData("""{"alg":"ed25519-nkey"}""", false)]
    [InlineData("""{"typ":"JWT","alg":"none","alg":"ed25519-nkey"}""", false)]
    [InlineData("""["ed25519-nkey"]""", false)]
    [InlineData("""{"typ":1,"alg":2}""", false)]
    [InlineData("ed25519-nkey", false)]
    [InlineData("", false)]
    public void Accepts_one_algorithm_only(string header, bool accepted) =>
        Assert.Equal(accepted, NatsJwt.TryVerify(Signed(Encoding.UTF8.GetBytes(header), Claims()), out _, out _));

    [Fact]
    public void Refuses_a_token_with_any_character_changed()
    {
        var token = NatsJwt.Sign(issuer, Claims());
        for (var at = 0; at < token.Length; at++)
        {
            foreach (var other in "Aa0_-.= \n"u8.ToArray())
            {
                if (token[at] == other)
                    continue;
                var changed = token.ToArray();
                changed[at] = other;
                Assert.False(NatsJwt.TryVerify(changed, out _, out var problem), Encoding.ASCII.GetString(changed));
                Assert.NotEmpty(problem);
            }
        }
    }

    [Fact]
    public void Refuses_a_token_cut_at_any_place_or_with_anything_added()
    {
        var token = NatsJwt.Sign(issuer, Claims());
        for (var length = 0; length < token.Length; length++)
            Assert.False(NatsJwt.TryVerify(token.AsSpan(0, length), out _, out _));
        foreach (var extra in (string[])["=", ".", "\n", "A", ".A"])
            Assert.False(NatsJwt.TryVerify([.. token, .. Encoding.ASCII.GetBytes(extra)], out _, out _));
    }

    [Fact]
    public void Refuses_claims_signed_by_another_than_the_issuer_they_name()
    {
        using var other = KeyPair.CreatePair(NKeyPrefix.Account);
        Assert.False(NatsJwt.TryVerify(NatsJwt.Sign(other, Claims()), out _, out var problem));
        Assert.Contains("signature", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"iss":null}""")]
    [InlineData("""{"iss":"AAAA"}""")]
    [InlineData("""["iss"]""")]
    [InlineData("not json")]
    [InlineData("""{"iss":"\ud800"}""")]
    [InlineData("""{"iss":"A","\udc00":1}""")]
    [InlineData("")]
    [InlineData("""{"iss":"A","iss":"B"}""")]
    [InlineData("""[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]""")]
    public void Refuses_claims_without_one_readable_issuer(string claims) =>
        Assert.False(NatsJwt.TryVerify(NatsJwt.Sign(issuer, Encoding.UTF8.GetBytes(claims)), out _, out _));

    [Fact]
    public void Refuses_claims_that_are_not_UTF_8()
    {
        var claims = Claims();
        claims[^3] = 0xff;
        Assert.False(NatsJwt.TryVerify(NatsJwt.Sign(issuer, claims), out _, out _));
    }

    [Fact]
    public void Accepts_claims_with_escaped_text() => // what Go writes for < and >
        Assert.True(NatsJwt.TryVerify(NatsJwt.Sign(issuer, [.. Claims()[..^1], .. ",\"n\":\"\\u003c\\ud83d\\ude00\"}"u8]), out _, out _));

    [Fact]
    public void Refuses_an_oversized_token_before_reading_it() =>
        Assert.False(NatsJwt.TryVerify(new byte[NatsJwt.MaxTokenBytes + 1], out _, out _));

    public void Dispose() => issuer.Dispose();

    private byte[] Claims() => Encoding.UTF8.GetBytes($$"""{"iss":"{{issuer.GetPublicKey()}}","sub":"x"}""");

    private byte[] Signed(byte[] header, byte[] claims)
    {
        var signed = $"{Base64Url.EncodeToString(header)}.{Base64Url.EncodeToString(claims)}";
        var signature = new byte[KeyPair.SignatureLength];
        issuer.Sign(Encoding.ASCII.GetBytes(signed), signature);
        return Encoding.ASCII.GetBytes($"{signed}.{Base64Url.EncodeToString(signature)}");
    }
}
