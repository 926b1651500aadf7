using Identity.Server.DecisionPoints;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints;

public sealed class WasmCloudIdentityTests
{
    private static readonly TrustDomain Domain = TrustDomain.Parse("example.org");

    [Fact]
    public void Names_a_component_of_a_lattice() =>
        Assert.Equal("spiffe://example.org/wasmcloud/default/shop-cart", Lattice("default", "shop-cart"));

    [Fact]
    public void Names_a_provider_as_no_component_can_be_named()
    {
        Assert.True(WasmCloudIdentity.TryOfLatticeProvider(Domain, "default", "shop-cart", out var provider, out _));
        Assert.Equal("spiffe://example.org/wasmcloud/default/provider/shop-cart", provider.ToString());
        Assert.Null(Lattice("default", "provider/shop-cart"));
        Assert.NotEqual(provider.ToString(), Lattice("default", "provider"));
    }

    [Fact]
    public void Names_a_component_and_a_service_of_a_namespace()
    {
        Assert.True(WasmCloudIdentity.TryOfComponent(Domain, "shop", "http", out var component, out _));
        Assert.Equal("spiffe://example.org/ns/shop/component/http", component.ToString());
        Assert.True(WasmCloudIdentity.TryOfService(Domain, "shop", out var service, out _));
        Assert.Equal("spiffe://example.org/ns/shop/service", service.ToString());
    }

    [Theory]
    [InlineData("", "x")]
    [InlineData("default", "")]
    [InlineData("default", "a/b")]
    [InlineData("default/other", "a")]
    [InlineData("default", "..")]
    [InlineData(".", "a")]
    [InlineData("default", "a b")]
    [InlineData("default", "a%2fb")]
    [InlineData("default", "а")]
    [InlineData("default", "a\n")]
    public void A_name_that_is_no_path_segment_has_no_identity(string lattice, string id) => Assert.Null(Lattice(lattice, id));

    [Fact]
    public void A_name_that_is_too_long_has_no_identity() => Assert.Null(Lattice("default", new string('a', 257)));

    private static string? Lattice(string lattice, string id) => WasmCloudIdentity.TryOfLatticeComponent(Domain, lattice, id, out var identity, out var problem)
        ? identity.ToString()
        : problem is null ? throw new InvalidOperationException() : null;
}
