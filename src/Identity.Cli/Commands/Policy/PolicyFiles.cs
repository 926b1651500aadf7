using System.Collections.Immutable;
using System.CommandLine;
using Identity.Policy;
using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Cli.Commands.Policy;

/// <summary>What the verbs that look at policies read, and how they call it.</summary>
internal static class PolicyFiles
{
    private const string ComponentSelector = "wasm:";
    private const string DigestSelector = "wasm:digest:";
    private const string NameSelector = "wasm:name:";

    // What a file on a disk does not say about who will run it where.
    private const PrincipalAttributes Untold =
        PrincipalAttributes.Signer | PrincipalAttributes.Image | PrincipalAttributes.Host | PrincipalAttributes.Namespace | PrincipalAttributes.Lattice;

    public static Option<string[]> Components() => new("--component")
    {
        Description = "A component file: ID=FILE, or FILE when an entry in the files (with --server also one that is registered) has its digest or name",
        HelpName = "[ID=]FILE",
        DefaultValueFactory = _ => [],
    };

    public static CapabilityPolicy PolicyOf(Manifest manifest)
    {
        var policy = CapabilityPolicy.Create(manifest.Policies, revision: 0);
        return policy.Unreadable is { } why ? throw new RefusedException($"the policies cannot be put in force together: {why}") : policy;
    }

    public static ImmutableArray<Principal> InventoryOf(IEnumerable<RegistrationEntryDocument> entries) =>
        [.. entries.Select(entry => Registered(entry.SpiffeId.ToString(), entry.ParentId.ToString(), entry.Selectors)).Distinct(SamePrincipal)];

    /// <summary>Two entries may say the same of one principal.</summary>
    public static IEqualityComparer<Principal> SamePrincipal { get; } =
        EqualityComparer<Principal>.Create((left, right) => (left?.Id, left?.Digest, left?.Host) == (right?.Id, right?.Digest, right?.Host), principal => principal.Id.GetHashCode());

    /// <summary>
    /// Somebody with an entry. Of a component only what the entry says is known, its parent being the host that runs it; anybody else is a process, which has no
    /// digest, signer, image or host. A rule about what is not known is taken to mean it when it forbids.
    /// </summary>
    public static Principal Registered(string id, string parent, IReadOnlyCollection<string> selectors)
    {
        if (!selectors.Any(selector => selector.StartsWith(ComponentSelector, StringComparison.Ordinal))) return Principal.Process(SpiffeId.Parse(id));
        var digest = selectors.FirstOrDefault(selector => selector.StartsWith(DigestSelector, StringComparison.Ordinal)) is { } selector
            && ComponentDigest.TryParse(selector[DigestSelector.Length..], out var value, out _) ? value : null;
        return new Principal
        {
            Id = SpiffeId.Parse(id),
            Digest = digest,
            Host = SpiffeId.Parse(parent),
            Unknown = (Untold | (digest is null ? PrincipalAttributes.Digest : 0)) & ~PrincipalAttributes.Host,
        };
    }

    /// <summary>The component files as they would start.</summary>
    public static ImmutableArray<ComponentStart> Read(string[] components, Manifest manifest) =>
        components.Length == 0 ? [] : Read(components, manifest.Entries, PolicyOf(manifest).SignerKeys);

    /// <param name="entries">Who is registered, as files and perhaps a server say.</param>
    /// <param name="keys">Those that the policy names.</param>
    public static ImmutableArray<ComponentStart> Read(string[] components, IReadOnlyCollection<RegistrationEntryDocument> entries, ImmutableArray<SignerName> keys) =>
        [.. components.Select(component => Read(component, entries, keys))];

    public static string Who(PolicySubject subject) => SubjectText.Of(subject);

    public static string Who(Principal principal) => SubjectText.Of(principal);

    private static ComponentStart Read(string component, IReadOnlyCollection<RegistrationEntryDocument> entries, ImmutableArray<SignerName> keys)
    {
        var equals = component.IndexOf('=', StringComparison.Ordinal);
        var path = equals < 0 ? component : component[(equals + 1)..];
        var (bytes, imports) = ComponentFile.Read(path);
        var digest = ComponentDigest.Of(bytes);
        var name = Path.GetFileNameWithoutExtension(path);
        var id = equals < 0 ? FindId(entries, path, DigestSelector + digest.Text) ?? FindId(entries, path, NameSelector + name) : SpiffeId.TryParse(component[..equals], out var given, out var why) ? given : throw new UsageException($"{component}: {why}");
        if (id is null)
            throw new UsageException($"no entry has the digest or the name of {path}; say which identity it would have: --component spiffe://…={path}");
        // Where its entries name one parent, that is the host which runs it.
        var parents = entries.Where(other => other.SpiffeId.Equals(id) && other.Selectors.Any(selector => selector.StartsWith(ComponentSelector, StringComparison.Ordinal)))
            .Select(other => other.ParentId).Distinct().ToArray();
        var host = parents is [var parent] ? parent : null;
        var principal = new Principal { Id = id, Digest = digest, Host = host, Unknown = host is null ? Untold : Untold & ~PrincipalAttributes.Host };
        var signers = new VerifiedSigners(ComponentSignatures.Read(bytes), Ed25519Signatures.Verify);
        return new ComponentStart(signers.Tell(principal, keys), name, imports);
    }

    private static SpiffeId? FindId(IEnumerable<RegistrationEntryDocument> entries, string path, string selector)
    {
        SpiffeId[] ids = [.. entries.Where(entry => entry.Selectors.Contains(selector)).Select(entry => entry.SpiffeId).Distinct()];
        return ids.Length <= 1 ? ids.FirstOrDefault()
            : throw new UsageException($"entries of {ids.Length} identities have {selector}, {ids[0]} and {ids[1]} among them; say which one it would have: --component spiffe://…={path}");
    }
}
