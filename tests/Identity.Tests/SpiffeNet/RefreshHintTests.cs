using System.Text;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>A hint says how often to ask again. However it is written, it is no reason to trust nobody.</summary>
public sealed class RefreshHintTests
{
    [Theory]
    [Trait("rule", "TDB-07")]
    [InlineData("300", 300)]
    [InlineData("300.0", 300)]
    [InlineData("3e2", 300)]
    [InlineData("0", 0)]
    [InlineData("2147483648", int.MaxValue)]
    [InlineData("99999999999999999999", int.MaxValue)]
    [InlineData("1e400", int.MaxValue)]
    public void A_whole_number_is_read_however_it_is_written_and_however_large(string hint, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Read(hint, out _)?.RefreshHint);

    [Theory]
    [Trait("rule", "TDB-07")]
    [InlineData("0.5")]
    [InlineData("-300.0")]
    [InlineData("-1e400")]
    [InlineData("null")]
    [InlineData("[300]")]
    public void What_is_no_whole_number_of_seconds_is_refused(string hint)
    {
        Assert.Null(Read(hint, out var problem));
        Assert.Contains("spiffe_refresh_hint is not a whole number of seconds", problem, StringComparison.Ordinal);
    }

    private static TrustBundle? Read(string hint, out string? problem) =>
        TrustBundle.TryParse(TrustDomain.Parse("example.org"), Encoding.UTF8.GetBytes($$"""{"keys":[],"spiffe_refresh_hint":{{hint}}}"""), out var bundle, out problem) ? bundle : null;
}
