using System.Text;
using Identity.Server.NodeAttestation;
using Identity.Tests.Server.Registration;

namespace Identity.Tests.Server.NodeAttestation;

public sealed class JoinTokenTextTests
{
    [Theory]
    [InlineData("")]
    [InlineData("short")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("../../../../spire/server")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaa/b")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaa.b")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaa%2f")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaa b")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaa\n")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaé")]
    public void Refuses_a_token_that_is_short_or_has_other_characters_and_never_repeats_it(string text)
    {
        Assert.False(JoinTokenText.TryParse(Encoding.UTF8.GetBytes(text), out _, out var problem));
        if (text.Length > 8) Assert.DoesNotContain(text.Trim(), problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_token_that_is_too_long() =>
        Assert.False(JoinTokenText.TryParse(Encoding.UTF8.GetBytes(new string('a', 129)), out _, out _));

    [Fact]
    public void Names_the_agent_by_half_of_the_hash_and_not_by_the_token()
    {
        Assert.True(JoinTokenText.TryParse(Encoding.UTF8.GetBytes("d3f1c8a2-7b54-4f0e-9a6d-2c1e5b7f8a90"), out var token, out _));

        var id = token.AgentId(TestEntries.TrustDomain).ToString();

        Assert.Equal($"spiffe://example.org/spire/agent/join_token/{token.HashHex[..32]}", id);
        Assert.DoesNotContain(token.Value, id, StringComparison.Ordinal);
        Assert.DoesNotContain(token.Value, $"{token}", StringComparison.Ordinal);
    }

    [Fact]
    public void Makes_tokens_that_it_accepts_and_that_differ()
    {
        var first = JoinTokenText.Create();

        Assert.True(JoinTokenText.TryParse(Encoding.UTF8.GetBytes(first.Value), out _, out _));
        Assert.NotEqual(first.Value, JoinTokenText.Create().Value);
        Assert.Equal(43, first.Value.Length);
    }
}
