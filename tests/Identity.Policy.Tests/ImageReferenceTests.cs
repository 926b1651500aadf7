using Identity.Policy.Analysis;

namespace Identity.Policy.Tests;

public sealed class ImageReferenceTests
{
    private const string Trusted = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    private const string Foreign = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
    private const string Everybody = "permit spiffeIdPrefix: spiffe://example.org";

    [Fact]
    public void A_tag_before_a_digest_says_nothing_because_runtimes_pull_by_the_digest()
    {
        var image = ImageReference.Parse($"ghcr.io/acme/shop:1.0@{Foreign}");
        Assert.Equal(($"ghcr.io/acme/shop@{Foreign}", null), (image.ToString(), image.Tag));
        Assert.Equal(ImageReference.Parse($"ghcr.io/acme/shop@{Foreign}"), image);
    }

    [Fact]
    public void A_trusted_tag_before_a_foreign_digest_gets_nothing_of_a_permit_by_tag() =>
        Assert.False(Starts($"ghcr.io/acme/shop:1.0@{Foreign}", "permit image: ghcr.io/acme/shop:1.0"));

    [Fact]
    public void Another_tag_before_a_forbidden_digest_evades_nothing() =>
        Assert.False(Starts($"ghcr.io/acme/shop:safe@{Foreign}", Everybody, $"forbid image: ghcr.io/acme/shop:bad@{Foreign}"));

    [Fact]
    public void A_forbidden_tag_holds_for_a_digest_that_it_may_lead_to() =>
        Assert.False(Starts($"ghcr.io/acme/shop@{Foreign}", Everybody, "forbid image: ghcr.io/acme/shop:1.0"));

    [Theory]
    [InlineData("ghcr.io:443/acme/shop:1", "ghcr.io/acme/shop:1")]
    [InlineData("10.0.0.1:443/acme/shop:1", "10.0.0.1/acme/shop:1")]
    [InlineData("localhost:443/acme/shop:1", "localhost/acme/shop:1")]
    [InlineData("127.0.0.1:443/acme/shop:1", "127.0.0.1/acme/shop:1")]
    [InlineData("docker.io:443/nginx:1", "docker.io/library/nginx:1")]
    [InlineData("docker.io/nginx:1", "docker.io/library/nginx:1")]
    [InlineData("index.docker.io/library/nginx:1", "docker.io/library/nginx:1")]
    [InlineData("index.docker.io/acme/shop:1", "docker.io/acme/shop:1")]
    [InlineData("registry-1.docker.io/nginx:1", "docker.io/library/nginx:1")]
    [InlineData("registry.hub.docker.com:443/nginx:1", "docker.io/library/nginx:1")]
    public void Two_spellings_of_one_place_are_one_image_for_permits_and_forbids(string one, string other)
    {
        Assert.Equal(ImageReference.Parse(one), ImageReference.Parse(other));
        foreach (var (stated, asked) in new[] { (one, other), (other, one) })
        {
            Assert.True(Starts(asked, $"permit image: {stated}"));
            Assert.False(Starts(asked, Everybody, $"forbid image: {stated}"));
            Assert.False(Starts(asked, Everybody, $"forbid imagePrefix: {stated[..^2]}"));
        }
    }

    [Theory]
    [InlineData("registry:443/acme/shop:1", "registry:443/acme/shop:1")]
    [InlineData("localhost:80/acme/shop:1", "localhost:80/acme/shop:1")]
    [InlineData("localhost:5000/acme/shop:1", "localhost:5000/acme/shop:1")]
    [InlineData("ghcr.io:8443/acme/shop:1", "ghcr.io:8443/acme/shop:1")]
    [InlineData("ghcr.io:80/acme/shop:1", "ghcr.io:80/acme/shop:1")]
    [InlineData("evil.docker.io/nginx:1", "evil.docker.io/nginx:1")]
    public void What_leads_elsewhere_stays_what_it_is(string text, string same) => Assert.Equal(same, ImageReference.Parse(text).ToString());

    [Theory]
    [InlineData("nginx")]
    [InlineData("library/nginx:1")]
    [InlineData("acme/shop:1")]
    [InlineData("GHCR.IO/acme/shop:1")]
    [InlineData("ghcr.io./acme/shop:1")]
    [InlineData("ghcr.io:0443/acme/shop:1")]
    [InlineData("localhost:0443/acme/shop:1")]
    [InlineData("localhost:/acme/shop:1")]
    [InlineData("LOCALHOST/acme/shop:1")]
    [InlineData("localhost./acme/shop:1")]
    [InlineData("ghcr.io/acme/../shop:1")]
    [InlineData("https://ghcr.io/acme/shop:1")]
    public void What_could_be_read_in_several_ways_is_no_reference(string text) =>
        Assert.False(ImageReference.TryParse(text, out _, out _));

    [Fact]
    public void A_prefix_that_is_a_registry_alone_means_it_by_every_spelling()
    {
        foreach (var (stated, asked) in new[] { ("localhost", "localhost:443"), ("localhost:443", "localhost"), ("ghcr.io:443", "ghcr.io") })
        {
            Assert.True(Starts($"{asked}/acme/shop:1", $"permit imagePrefix: {stated}"));
            Assert.False(Starts($"{asked}/acme/shop:1", Everybody, $"forbid imagePrefix: {stated}"));
        }

        Assert.False(Starts("localhost:80/acme/shop:1", "permit imagePrefix: localhost"));
    }

    [Fact]
    public void An_organisation_of_Docker_Hub_is_permitted_without_the_official_image_of_its_name_and_forbidden_with_it()
    {
        Assert.True(Starts("docker.io/acme/shop:1", "permit imagePrefix: index.docker.io/acme"));
        Assert.False(Starts("docker.io/acme:1", "permit imagePrefix: docker.io/acme"));
        Assert.False(Starts("docker.io/acme/shop:1", Everybody, "forbid imagePrefix: docker.io/acme"));
        Assert.False(Starts("docker.io/acme:1", Everybody, "forbid imagePrefix: docker.io/acme"));
        Assert.False(Starts("docker.io/library/acme:1", Everybody, "forbid imagePrefix: registry-1.docker.io/acme"));
        Assert.False(Starts("docker.io/nginx:1", Everybody, "forbid imagePrefix: index.docker.io"));
        Assert.True(Starts("docker.io/library/acmes:1", Everybody, "forbid imagePrefix: docker.io/acme"));
    }

    [Fact]
    public void Analysis_gives_no_example_that_states_a_tag_and_a_digest()
    {
        var nothing = Policy("permit spiffeIdPrefix: spiffe://example.org/other");
        foreach (var image in new[] { "ghcr.io/acme/shop:1.0", $"ghcr.io/acme/shop@{Trusted}", "docker.io/acme:1" })
        {
            var change = Assert.Single(PolicyDiff.Between(nothing, Policy($"permit image: {image}"), Samples.Now).Gained);
            Assert.Equal(ImageReference.Parse(image), change.Example!.Principal.Image);
        }

        // Whoever states the tag leaves the digest open: it may be the forbidden one, so nobody is permitted.
        Assert.Empty(PolicyDiff.Between(nothing, Policy("permit image: ghcr.io/acme/shop:2.0", $"forbid image: ghcr.io/acme/shop@{Foreign}"), Samples.Now).Gained
            .Where(change => change.Permit.Subject.Image is not null));
    }

    [Fact]
    public void Analysis_finds_examples_below_Docker_Hub_that_decide_as_it_says()
    {
        foreach (var rule in new[] { "permit imagePrefix: docker.io", "permit imagePrefix: docker.io/acme", "permit imagePrefix: docker.io/library" })
        {
            var after = Policy(rule, "forbid imagePrefix: docker.io/nginx");
            var change = Assert.Single(PolicyDiff.Between(Policy("forbid imagePrefix: docker.io/nginx"), after, Samples.Now).Gained);
            var example = change.Example!;
            Assert.True(PolicyDecision.Decide(after, example.Principal, example.Request, example.At).Allowed, example.Principal.Image?.ToString());
        }
    }

    private static bool Starts(string image, params string[] rules) => PolicyDecision.Decide(
        Policy(rules),
        new Principal { Id = Samples.Greeter, Image = ImageReference.Parse(image) },
        new CapabilityRequest.Start(),
        Samples.Now).Allowed;

    private static CapabilityPolicy Policy(params string[] rules) => Samples.Rules(
        [.. rules.Select(rule => (rule[..rule.IndexOf(' ', StringComparison.Ordinal)], rule[(rule.IndexOf(' ', StringComparison.Ordinal) + 1)..], "start"))]);
}
