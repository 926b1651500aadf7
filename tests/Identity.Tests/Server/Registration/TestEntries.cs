using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Tests.Server.Registration;

/// <summary>Entries as a caller would send them.</summary>
internal static class TestEntries
{
    public static readonly TrustDomain TrustDomain = TrustDomain.Parse("example.org");

    public const string Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    public static Entry Entry(string path, string parent, params string[] selectors)
    {
        var entry = new Entry { SpiffeId = Id(path), ParentId = Id(parent) };
        entry.Selectors.AddRange(selectors.Select(Selector));
        return entry;
    }

    public static Entry Host() => Entry("/hosts/local", "/nodes/local", "unix:uid:1000");

    public static Entry Greeter() => Entry("/components/greeter", "/hosts/local", $"wasm:digest:{Digest}");

    public static SPIFFEID Id(string path) => new() { TrustDomain = "example.org", Path = path };

    public static Selector Selector(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return new Selector { Type = text[..colon], Value = text[(colon + 1)..] };
    }
}
