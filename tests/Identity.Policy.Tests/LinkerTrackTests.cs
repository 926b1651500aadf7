using Wasmtime;
using Wasmtime.Components;

namespace Identity.Policy.Tests;

/// <summary>What a version stands for in policy, against Wasmtime's own linker: a component that asks for one is handed another, for all pairs of these.</summary>
public sealed class LinkerTrackTests
{
    private static readonly string[] Names =
    [
        .. ((string[])
        [
            "0.0.0", "0.0.1", "0.0.2", "0.0.1+b", "0.0.1+c", "0.0.1-rc.1", "0.0.10",
            "0.1.0", "0.1.9", "0.2.0", "0.2.7", "0.2.99", "0.2.0+a", "0.2.7+b.1-x", "0.2.0-draft", "0.2.0-draft.2", "0.20.0", "0.20.0-draft+a",
            "1.0.0", "1.4.2", "1.0.0+build", "1.9.0+other", "1.0.0-rc.1", "1.0.0-rc.2", "1.0.0-rc.1+b", "2.0.0", "10.0.0", "12.0.0+build.5-a", "12.3.4", "999999999999999999.0.0", "999999999999999999.1.0",
        ]).Select(version => $"a:b/c@{version}"),
        "a:b/c",
        "a:b/d@1.0.0",
    ];

    [Fact]
    public void A_pattern_matches_exactly_what_the_linker_links()
    {
        using var engine = new Engine(new Config().WithComponentModel(true));
        // With a function: what has none is linked whether it is there or not.
        var guests = Names.Select(name => Component.FromText(engine, $"""(component (import "{name}" (instance (export "get" (func)))))""")).ToArray();
        var others = new List<string>();
        var linked = 0;
        foreach (var defined in Names)
        {
            using var linker = new ComponentLinker(engine);
            using (var root = linker.Root())
            using (var instance = root.AddInstance(defined))
                instance.DefineFunction("get", (_, _) => { });
            foreach (var (asked, guest) in Names.Zip(guests))
            {
                var links = Links(engine, linker, guest);
                if (links) linked++;
                var (granted, imported) = (InterfaceName.Parse(defined), InterfaceName.Parse(asked));
                if (links != ImportPattern.Parse(defined).Matches(imported) || links != (granted.TrackedName == imported.TrackedName))
                    others.Add($"{asked} {(links ? "is" : "is not")} linked to {defined}");
            }
        }

        foreach (var guest in guests) guest.Dispose();
        Assert.Empty(others);
        // More than each to itself, and not everything to everything.
        Assert.InRange(linked, Names.Length + 1, Names.Length * Names.Length / 2);
    }

    private static bool Links(Engine engine, ComponentLinker linker, Component guest)
    {
        using var store = new Store(engine);
        try
        {
            linker.Instantiate(store, guest);
            return true;
        }
        catch (WasmtimeException missing) when (missing.Message.Contains("matching implementation was not found", StringComparison.Ordinal))
        {
            return false;
        }
    }
}
