using System.Collections.Immutable;
using Google.Protobuf;
using Grpc.Core;
using Identity.Policy;
using Identity.V1;
using Spiffe.Net;
using Signatures = Identity.Policy.ComponentSignatures;

namespace Identity.Cli.Commands.Policy;

/// <summary>What is there at a server: the policies in force, the entries, and what runs.</summary>
/// <param name="Running">Each build on each host once.</param>
/// <param name="Untold">How many more run whose agents do not tell what they import.</param>
internal sealed record ServerInventory(
    ListPoliciesResponse Policies, IReadOnlyList<RegistrationEntryDocument> Entries, IReadOnlyList<LiveAdmission> Running, int Untold)
{
    public static async Task<ServerInventory> ReadAsync(ChannelBase channel, CancellationToken cancellation)
    {
        var policies = await new PolicyAdmin.PolicyAdminClient(channel).ListPoliciesAsync(new(), cancellationToken: cancellation);
        var entries = await EntriesAsync(channel, cancellation);
        var (running, untold) = (new List<LiveAdmission>(), 0);
        using var call = new Control.ControlClient(channel).ListRunning(new(), cancellationToken: cancellation);
        await foreach (var admission in call.ResponseStream.ReadAllAsync(cancellation))
        {
            if (admission.ImportsTold) running.Add(admission);
            else untold++;
        }

        return new(policies, entries, running, untold);
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

    /// <summary>What runs, as it would start.</summary>
    /// <param name="keys">Those that the policy names.</param>
    public IEnumerable<ComponentStart> Starts(ImmutableArray<SignerName> keys) => Running.Select(admission =>
    {
        var id = SpiffeId.Parse(admission.SpiffeId);
        var principal = Principal.Component(id, ComponentDigest.Parse(admission.Digest), SpiffeId.Parse(admission.HostSpiffeId));
        return new ComponentStart(
            SignersOf(admission).Tell(principal, keys), admission.Name.Length > 0 ? admission.Name : id.Path, ComponentImports.OfLines(admission.Imports, admission.Exports));
    });

    private static VerifiedSigners SignersOf(LiveAdmission admission) =>
        admission.Signatures is { } told && Signatures.TryCreate(told.Hashes.Span, [.. told.Signatures.Select(signature => signature.ToByteArray())], out var signatures, out _)
            ? new VerifiedSigners(signatures, Ed25519Signatures.Verify)
            : VerifiedSigners.NotTold;
}
