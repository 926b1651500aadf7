namespace Identity.Policy.Tests.Language;

/// <summary>Requests for several things at once find every rule about whoever asks, and look at none about others.</summary>
public sealed class WideRequestTests
{
    private const string Greeter = "spiffeId: spiffe://example.org/components/greeter";

    private static readonly Principal Untold = new() { Id = Samples.Greeter, Unknown = PrincipalAttributes.Signer | PrincipalAttributes.Image };

    [Theory]
    [InlineData("connect *:*", "connect: api.example.com:443")]
    [InlineData("connect *.example.com:443", "connect: api.example.com:1-1000")]
    [InlineData("connect 0.0.0.0/0:*", "connect: 169.254.169.254:80")]
    [InlineData("connect [::]/0:*", "connect: \"[2001:db8::1]:80\"")]
    [InlineData("resolve *", "resolve: api.example.com")]
    [InlineData("resolve *.example.com", "resolve: api.example.com")]
    [InlineData("natsPublish orders.*", "natsPublish: orders.new")]
    [InlineData("config db/*", "config: db/host")]
    [InlineData("mount /var/*", "mount: /var/data")]
    public void What_is_forbidden_of_it_is_found_by_whatever_the_rule_names_its_subject(string asked, string forbidden)
    {
        var request = CapabilityRequest.Parse(asked);
        var everything = request.ToCapability();
        foreach (var subject in new[] { Greeter, "spiffeIdPrefix: spiffe://example.org", "signer: somebody", "image: ghcr.io/acme/greeter:1", "imagePrefix: ghcr.io" })
        {
            var permit = ("permit", Greeter, everything.WhyNotGrantable() is null ? everything.ToYaml() : "start");
            Assert.Equal(everything.WhyNotGrantable() is null, PolicyDecision.Decide(Samples.Rules(permit), Untold, request, Samples.Now).Allowed);
            var decision = PolicyDecision.Decide(Samples.Rules(permit, ("forbid", subject, forbidden)), Untold, request, Samples.Now);
            Assert.True(decision is { Allowed: false, Reason: RefusalReason.Forbidden }, $"{subject} {forbidden}");
        }
    }
}
