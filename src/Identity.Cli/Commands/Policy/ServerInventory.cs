using System.Collections.Immutable;
using Google.Protobuf;
using Grpc.Core;
using Identity.Policy;
using Identity.V1;
using Spire.Api.Server.Agent.V1;
using Spiffe.Net;
using Principal = Identity.Policy.Principal;
using Signatures = Identity.Policy.ComponentSignatures;

namespace Identity.Cli.Commands.Policy;

/// <summary>What is there at a server: the policies in force, the entries, the hosts, what runs, and what its doors let through.</summary>
/// <param name="Hosts">Which attested; those that are banned too, since they are there.</param>
/// <param name="Running">Each build on each host once.</param>
/// <param name="Untold">How many more run whose agents do not tell what they import.</param>
internal sealed record ServerInventory(
    ListPoliciesResponse Policies, IReadOnlyList<RegistrationEntryDocument> Entries, IReadOnlyList<SpiffeId> Hosts, IReadOnlyList<LiveAdmission> Running, int Untold,
    IReadOnlyList<LetThrough> LetThrough)
{
    public static async Task<ServerInventory> ReadAsync(ChannelBase channel, CancellationToken cancellation)
    {
        var policies = await new PolicyAdmin.PolicyAdminClient(channel).ListPoliciesAsync(new(), cancellationToken: cancellation);
        var entries = await EntriesAsync(channel, cancellation);
        var running = await RunningAsync(channel, cancellation);
        List<LiveAdmission> told = [.. running.Where(admission => admission.ImportsTold)];
        return new(policies, entries, await HostsAsync(channel, cancellation), told, running.Count - told.Count, await LetThroughAsync(channel, cancellation));
    }

    /// <summary>What runs, each build on each host once, also where its agent does not tell what it imports.</summary>
    public static async Task<IReadOnlyList<LiveAdmission>> RunningAsync(ChannelBase channel, CancellationToken cancellation)
    {
        using var call = new Control.ControlClient(channel).ListRunning(new(), cancellationToken: cancellation);
        return await call.ResponseStream.ReadAllAsync(cancellation).ToListAsync(cancellation);
    }

    /// <summary>What the doors of wasmCloud let through and what may run still.</summary>
    public static async Task<IReadOnlyList<LetThrough>> LetThroughAsync(ChannelBase channel, CancellationToken cancellation)
    {
        using var call = new Control.ControlClient(channel).ListLetThrough(new(), cancellationToken: cancellation);
        return await call.ResponseStream.ReadAllAsync(cancellation).ToListAsync(cancellation);
    }

    /// <summary>Whom a decision about it is about.</summary>
    /// <param name="keys">Those that policy names.</param>
    public static Principal PrincipalOf(LiveAdmission admission, ImmutableArray<SignerName> keys) =>
        SignersOf(admission).Tell(Principal.Component(SpiffeId.Parse(admission.SpiffeId), ComponentDigest.Parse(admission.Digest), SpiffeId.Parse(admission.HostSpiffeId)), keys);

    /// <summary>Whom a door asked about.</summary>
    public static Principal PrincipalOf(DecisionPrincipal told)
    {
        var absent = told.KnownAbsent.ToHashSet();
        var unknown = PrincipalAttributes.None;
        return new Principal
        {
            Id = SpiffeId.Parse(told.SpiffeId),
            Digest = Told(told.Digest, PrincipalAttribute.Digest, PrincipalAttributes.Digest) is { } digest ? ComponentDigest.Parse(digest) : null,
            Signers = [.. told.Signers.Select(SignerName.Parse)],
            Image = Told(told.Image, PrincipalAttribute.Image, PrincipalAttributes.Image) is { } image ? ImageReference.Parse(image) : null,
            Host = Told(told.Host, PrincipalAttribute.Host, PrincipalAttributes.Host) is { } host ? SpiffeId.Parse(host) : null,
            Namespace = Told(told.Namespace, PrincipalAttribute.Namespace, PrincipalAttributes.Namespace),
            Lattice = Told(told.Lattice, PrincipalAttribute.Lattice, PrincipalAttributes.Lattice),
            Unknown = unknown | (told.Signers.Count > 0 || absent.Contains(PrincipalAttribute.Signer) ? PrincipalAttributes.None : PrincipalAttributes.Signer),
        };

        // Evaluated in the order above, so that the last has seen all of them.
        string? Told(string text, PrincipalAttribute word, PrincipalAttributes attribute)
        {
            if (text.Length > 0) return text;
            if (!absent.Contains(word)) unknown |= attribute;
            return null;
        }
    }

    /// <summary>All entries, as files say them.</summary>
    public static async Task<IReadOnlyList<RegistrationEntryDocument>> EntriesAsync(ChannelBase channel, CancellationToken cancellation) =>
    [
        .. (await EntryCommand.AllAsync(new(channel), cancellation)).Select(entry => new RegistrationEntryDocument
        {
            SpiffeId = SpiffeId.Parse(EntryText.Of(entry.SpiffeId)),
            ParentId = SpiffeId.Parse(EntryText.Of(entry.ParentId)),
            Selectors = [.. entry.Selectors.Select(selector => $"{selector.Type}:{selector.Value}")],
        }),
    ];

    /// <summary>Whom rules may mean though no entry says so.</summary>
    public IEnumerable<Principal> WithoutEntries => Hosts.Select(Principal.Process).Concat(LetThrough.SelectMany(alike => alike.Principals).Select(PrincipalOf));

    /// <summary>What runs, as it would start.</summary>
    /// <param name="keys">Those that the policy names.</param>
    public IEnumerable<ComponentStart> Starts(ImmutableArray<SignerName> keys) => Running.Select(admission =>
    {
        var principal = PrincipalOf(admission, keys);
        return new ComponentStart(principal, admission.Name.Length > 0 ? admission.Name : principal.Id.Path, ComponentImports.OfLines(admission.Imports, admission.Exports));
    });

    private static async Task<IReadOnlyList<SpiffeId>> HostsAsync(ChannelBase channel, CancellationToken cancellation)
    {
        var answer = await new Agent.AgentClient(channel).ListAgentsAsync(new(), cancellationToken: cancellation);
        return [.. answer.Agents.Select(agent => SpiffeId.Parse(EntryText.Of(agent.Id)))];
    }

    private static VerifiedSigners SignersOf(LiveAdmission admission) =>
        admission.Signatures is { } told && Signatures.TryCreate(told.Hashes.Span, [.. told.Signatures.Select(signature => signature.ToByteArray())], out var signatures, out _)
            ? new VerifiedSigners(signatures, Ed25519Signatures.Verify)
            : VerifiedSigners.NotTold;
}
