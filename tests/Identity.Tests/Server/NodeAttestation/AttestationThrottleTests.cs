using System.Net;
using Identity.Server.NodeAttestation;
using Microsoft.Extensions.Time.Testing;

namespace Identity.Tests.Server.NodeAttestation;

public sealed class AttestationThrottleTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Refuses_an_address_that_tries_too_often_and_no_other()
    {
        var throttle = new AttestationThrottle(_time);
        Exhaust(throttle, IPAddress.Loopback);

        Assert.False(throttle.TryEnter(IPAddress.Loopback));
        Assert.True(throttle.TryEnter(IPAddress.Parse("192.0.2.1")));
    }

    [Fact]
    public void Lets_an_address_try_once_more_after_a_second()
    {
        var throttle = new AttestationThrottle(_time);
        Exhaust(throttle, IPAddress.Loopback);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True(throttle.TryEnter(IPAddress.Loopback));
        Assert.False(throttle.TryEnter(IPAddress.Loopback));
    }

    [Theory]
    [InlineData("2001:db8::1", "2001:db8::ffff:2")]
    [InlineData("192.0.2.7", "::ffff:192.0.2.7")]
    public void Counts_the_addresses_of_one_machine_as_one(string first, string second)
    {
        var throttle = new AttestationThrottle(_time);
        Exhaust(throttle, IPAddress.Parse(first));

        Assert.False(throttle.TryEnter(IPAddress.Parse(second)));
    }

    [Fact]
    public void Refuses_newcomers_while_its_table_is_full_and_takes_them_when_others_have_rested()
    {
        var throttle = new AttestationThrottle(_time);
        for (var i = 0; i < AttestationThrottle.MaxAddresses; i++) throttle.TryEnter(new IPAddress(0x0a000000L + i));
        var newcomer = IPAddress.Parse("192.0.2.1");

        Assert.False(throttle.TryEnter(newcomer));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(throttle.TryEnter(newcomer));
    }

    private static void Exhaust(AttestationThrottle throttle, IPAddress address)
    {
        for (var i = 0; i < AttestationThrottle.Burst; i++) Assert.True(throttle.TryEnter(address));
    }
}
