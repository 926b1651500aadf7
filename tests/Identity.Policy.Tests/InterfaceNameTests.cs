using CsCheck;

namespace Identity.Policy.Tests;

public sealed class InterfaceNameTests
{
    [Theory]
    [InlineData("wasi:io/streams@1.4.2", "1")]
    [InlineData("wasi:io/streams@12.0.0+build.5-a", "12")]
    [InlineData("wasi:io/streams@0.2.7", "0.2")]
    [InlineData("wasi:io/streams@0.20.0", "0.20")]
    [InlineData("wasmcloud:identity/store@0.0.1", "0.0.1")]
    [InlineData("wasmcloud:identity/store@0.0.0", "0.0.0")]
    [InlineData("wasi:io/streams@0.0.1+b", "0.0.1+b")]
    [InlineData("wasi:io/streams@1.0.0-rc.1", "1.0.0-rc.1")]
    [InlineData("wasi:io/streams@0.3.0-draft", "0.3.0-draft")]
    [InlineData("wasi:keyvalue/store", "")]
    public void Knows_the_track_that_the_linker_compares(string name, string track) => Assert.Equal(track, InterfaceName.Parse(name).Track);

    // Rows: what is granted, what is imported, whether the linker joins them.
    [Theory]
    [InlineData("a:b/c@0.2.0", "a:b/c@0.2.99", true)]
    [InlineData("a:b/c@0.2.99", "a:b/c@0.2.0", true)]
    [InlineData("a:b/c@1.0.0", "a:b/c@1.9.0", true)]
    [InlineData("a:b/c@1.0.0", "a:b/c@2.0.0", false)]
    [InlineData("a:b/c@1.0.0", "a:b/c@10.0.0", false)]
    [InlineData("a:b/c@0.2.0", "a:b/c@0.20.0", false)]
    [InlineData("a:b/c@0.2.0", "a:b/c@0.3.0", false)]
    [InlineData("a:b/c@0.0.1", "a:b/c@0.0.1", true)]
    [InlineData("a:b/c@0.0.1", "a:b/c@0.0.2", false)]
    [InlineData("a:b/c@1.0.0-rc.1", "a:b/c@1.0.0-rc.1", true)]
    [InlineData("a:b/c@1.0.0-rc.1", "a:b/c@1.0.0", false)]
    [InlineData("a:b/c@1.0.0", "a:b/c@1.0.0-rc.1", false)]
    [InlineData("a:b/c", "a:b/c", true)]
    [InlineData("a:b/c", "a:b/c@1.0.0", false)]
    [InlineData("a:b/c@1.0.0", "a:b/d", false)]
    [InlineData("a:b/c@1.0.0", "a:b/d@1.0.0", false)]
    [InlineData("a:b/*@0.2.0", "a:b/c@0.2.5", true)]
    [InlineData("a:b/*@0.2.0", "a:b/c@0.3.0", false)]
    [InlineData("a:b/*@0.2.0", "a:bb/c@0.2.0", false)]
    [InlineData("a:b/*", "a:b/c", true)]
    [InlineData("a:b/*", "a:b/c@1.0.0", false)]
    [InlineData("a:b/c@*", "a:b/c@3.0.0", true)]
    [InlineData("a:b/c@*", "a:b/c", true)]
    [InlineData("a:b/c@*", "a:b/d", false)]
    [InlineData("a:b/*@*", "a:b/d@1.0.0-x", true)]
    [InlineData("a:b/*@*", "a:c/d@1.0.0", false)]
    public void A_pattern_matches_by_track_and_so_does_the_decision(string pattern, string import, bool matches)
    {
        Assert.Equal(matches, ImportPattern.Parse(pattern).Matches(InterfaceName.Parse(import)));
        Assert.Equal(matches, IsForbidden(pattern, import));
    }

    [Theory]
    [InlineData("a:b/c@1.0.0", "a:b/c")]
    [InlineData("a:b/*@0.2.0", "a:b/c")]
    public void A_version_does_not_match_none_but_a_forbid_of_it_holds(string pattern, string import)
    {
        Assert.False(ImportPattern.Parse(pattern).Matches(InterfaceName.Parse(import)));
        Assert.True(IsForbidden(pattern, import));
    }

    private static bool IsForbidden(string pattern, string import)
    {
        var policy = Samples.Rules(("forbid", "spiffeIdPrefix: spiffe://example.org", $"{{ import: \"{pattern}\" }}"), ("permit", "spiffeId: " + Samples.Greeter, $"{{ import: \"{import}\" }}"));
        return ComponentAdmission.Decide(policy, Samples.Start(import), Samples.Now) is Decision.Denied;
    }

    [Theory]
    [InlineData("")]
    [InlineData("evil")]
    [InlineData("wasi:io")]
    [InlineData("wasi/io")]
    [InlineData("wasi:io/")]
    [InlineData(":io/poll")]
    [InlineData("wasi:/poll")]
    [InlineData("wasi:io/poll/x")]
    [InlineData("a:b:c/d")]
    [InlineData("wasi:io/*")]
    [InlineData("WASI:io/poll")]
    [InlineData("wasi:io/Poll")]
    [InlineData("wasi:io/po_ll")]
    [InlineData("wasi:io/-poll")]
    [InlineData("wasi:io/poll-")]
    [InlineData("wasi:io/po--ll")]
    [InlineData("wasi:io/0poll")]
    [InlineData("wasi:io/p\u0430ss")]
    [InlineData("wasi:io/poll ")]
    [InlineData("wasi:io/poll\0")]
    [InlineData("wasi:io/poll@")]
    [InlineData("wasi:io/poll@1")]
    [InlineData("wasi:io/poll@1.0")]
    [InlineData("wasi:io/poll@1.0.0.0")]
    [InlineData("wasi:io/poll@01.0.0")]
    [InlineData("wasi:io/poll@1.0.0-")]
    [InlineData("wasi:io/poll@1.0.0-01")]
    [InlineData("wasi:io/poll@1.0.0+")]
    [InlineData("wasi:io/poll@1.0.0@1.0.0")]
    [InlineData("wasi:io/poll@-1.0.0")]
    [InlineData("wasi:io@0.2.0/poll")]
    [InlineData("wasi:io/poll@99999999999999999999.0.0")]
    [InlineData("url=<https://example.org/x>")]
    [InlineData("locked-dep=<a:b@1.0.0>")]
    [InlineData("unlocked-dep=<a:b/c>")]
    public void Refuses_what_is_no_interface_name(string name)
    {
        Assert.False(InterfaceName.TryParse(name, out _, out var problem));
        Assert.NotEmpty(problem);
        var policy = Samples.Rules(("permit", "spiffeId: " + Samples.Greeter, "start"));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, Samples.Start(name), Samples.Now));
    }

    // A star stands alone: read as the whole package, a star with more beside it would grant what its author meant to leave out.
    [Theory]
    [InlineData("wasi:sockets/*-create-socket@0.2.0")]
    [InlineData("wasi:sockets/*tcp@0.2.0")]
    [InlineData("wasi:sockets/*tcp")]
    [InlineData("wasi:sockets/*tcp@*")]
    [InlineData("wasi:sockets/**@0.2.0")]
    [InlineData("wasi:sockets/tcp*@0.2.0")]
    [InlineData("wasi:sockets/*/x@0.2.0")]
    [InlineData("wasi:*/tcp@0.2.0")]
    [InlineData("wasi/*")]
    [InlineData("/*")]
    [InlineData("*")]
    [InlineData("wasi:sockets/*@0.2.*")]
    [InlineData("wasi:sockets/*@0.2.0@*")]
    public void Refuses_a_pattern_whose_star_does_not_stand_alone(string pattern)
    {
        Assert.False(ImportPattern.TryParse(pattern, out _, out var problem));
        Assert.Contains("is not an import", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_versions_link_exactly_when_their_tracked_names_are_equal_and_never_by_a_prefix_of_text()
    {
        string[] suffixes = ["", "-rc", "+b"];
        var version = Gen.Select(Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[0, 2], (x, y, z, suffix) => (x, y, z, suffix: suffixes[suffix]));
        Gen.Select(version, version).Sample((left, right) =>
        {
            var (a, b) = (InterfaceName.Parse($"a:b/c@{left.x}.{left.y}.{left.z}{left.suffix}"), InterfaceName.Parse($"a:b/c@{right.x}.{right.y}.{right.z}{right.suffix}"));
            return (a.TrackedName == b.TrackedName) == (a.Text == b.Text || Links(left, right));
        });

        static bool Links((int x, int y, int z, string suffix) l, (int x, int y, int z, string suffix) r) =>
            l.suffix != "-rc" && r.suffix != "-rc" && l.x == r.x && (l.x > 0 || (l.y == r.y && l.y > 0));
    }
}
