using Identity.Policy;

namespace Identity.Tests.Server.NatsAuthCallout;

internal static class TestPolicy
{
    public static CapabilityPolicy Of(string source)
    {
        Assert.True(PolicyParser.TryParse(source, out var document, out var problems), string.Join('\n', problems));
        return CapabilityPolicy.Create([document], 1);
    }
}
