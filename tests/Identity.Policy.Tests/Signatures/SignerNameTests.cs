using System.Buffers.Text;
using Identity.Testing.Components;

namespace Identity.Policy.Tests.Signatures;

/// <summary>Names of signers: those that are keys have one spelling each, and any other is whatever a door that is told of signers calls them.</summary>
public sealed class SignerNameTests
{
    // RFC 8032 §7.1, test 1.
    private const string Rfc = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    [Fact]
    public void A_key_is_read_and_written_as_it_was()
    {
        var name = SignerName.Parse(Rfc);
        Assert.True(name.IsKey);
        var key = new byte[SignerName.KeySize];
        name.CopyKeyTo(key);
        Assert.Equal("D75A980182B10AB7D54BFED3C964073A0EE172F3DAA62325AF021A68F707511A", Convert.ToHexString(key));
        Assert.True(SignerName.TryOfKey(key, out var again, out _));
        Assert.Equal(name, again);
    }

    [Theory]
    [InlineData("release@example.org")]
    [InlineData("ed25519")]
    [InlineData("ed25519-release")]
    [InlineData("ABCDEFGH")]
    [InlineData("x:ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    public void Other_names_are_no_keys_and_stay_as_they_are(string text)
    {
        var name = SignerName.Parse(text);
        Assert.Equal((text, false), (name.Text, name.IsKey));
        Assert.Throws<InvalidOperationException>(() => name.CopyKeyTo(new byte[SignerName.KeySize]));
    }

    [Theory]
    [InlineData("ed25519:", "43 characters")]
    [InlineData("ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR", "43 characters")]
    [InlineData(Rfc + "A", "43 characters")]
    [InlineData(Rfc + "=", "43 characters")]
    [InlineData("ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo", "base64url")]
    [InlineData("ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR.", "base64url")]
    [InlineData("ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "43 characters")]
    [InlineData("ed25519::11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR", "base64url")]
    [InlineData("Ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "lower case")]
    [InlineData("ED25519:x", "lower case")]
    public void What_looks_like_a_key_and_is_none_is_refused(string text, string why)
    {
        Assert.False(SignerName.TryParse(text, out _, out var problem));
        Assert.Contains(why, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_spare_bits_of_the_last_character_are_zero()
    {
        // o = 40 = 101000: its last two bits say nothing.
        foreach (var last in "pqr") Assert.False(SignerName.TryParse(Rfc[..^1] + last, out _, out _), $"{last}");
    }

    [Theory]
    [InlineData("EDFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF7F", "one encoding")]
    [InlineData("F0FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "one encoding")]
    [InlineData("ECFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF7F", "small order")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", "small order")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000080", "small order")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000", "small order")]
    [InlineData("26E8958FC2B227B045C3F489F2EF98F0D5DFAC05D3C63339B13802886D53FC05", "small order")]
    [InlineData("26E8958FC2B227B045C3F489F2EF98F0D5DFAC05D3C63339B13802886D53FC85", "small order")]
    [InlineData("C7176A703D4DD84FBA3C0B760D10670F2A2053FA2C39CCC64EC7FD7792AC037A", "small order")]
    public void Points_for_which_anybody_can_sign_or_that_have_two_spellings_are_refused_here_and_by_libsodium(string hex, string why)
    {
        var key = Convert.FromHexString(hex);
        Assert.False(SignerName.TryParse("ed25519:" + Base64Url.EncodeToString(key), out _, out var problem));
        Assert.Contains(why, problem, StringComparison.Ordinal);
        // R = the neutral point, S = 0: the equation of RFC 8032 §5.1.7 holds for such keys, whatever the message.
        byte[] forged = [1, .. new byte[63]];
        Assert.False(ComponentSigner.Verify(key, "message"u8, forged));
    }

    [Fact]
    public void A_policy_takes_keys_up_to_a_bound_and_one_beyond_denies_everything_and_says_so()
    {
        var keys = Enumerable.Range(0, CapabilityPolicy.MaxSignerKeys + 1).Select(_ =>
        {
            using var signer = new ComponentSigner();
            return signer.Name;
        }).ToArray();
        var most = Samples.Rules([.. keys[1..].Append(keys[1]).Select(key => ("permit", $"signer: {key}", "start"))]);
        Assert.Null(most.Unreadable);
        Assert.Equal(keys[1..].Order(StringComparer.Ordinal), most.SignerKeys.Select(key => key.Text));
        var more = Samples.Rules([.. keys.Select(key => ("permit", $"signer: {key}", "start"))]);
        Assert.Contains("more than 128 keys of signers", more.Unreadable, StringComparison.Ordinal);
        Assert.Empty(more.SignerKeys);
        Assert.Empty(Samples.Rules(("permit", "signer: release@example.org", "start")).SignerKeys);
        // Also those of rules that mean nobody: a limit that is reached is reached by all that is counted.
        Assert.Equal(CapabilityPolicy.MaxSignerKeys, most.Usage.SignerKeys);
        Assert.Equal(default, more.Usage);
        Assert.Equal((0, 1), Samples.Rules(("permit", $"labels: {{ team: nobody }}, signer: {keys[0]}", "start")).Usage is var meant ? (meant.Combinations, meant.SignerKeys) : default);
    }

    [Fact]
    public void A_document_with_a_malformed_key_is_refused_where_it_stands()
    {
        Assert.False(PolicyParser.TryParse(Samples.Source(("permit", "signer: ed25519:x", "start")), out _, out var problems));
        Assert.Contains("43 characters of base64url", Assert.Single(problems).ToString(), StringComparison.Ordinal);
    }
}
