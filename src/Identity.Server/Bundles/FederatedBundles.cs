using System.Diagnostics.CodeAnalysis;
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Server.Administration;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spiffe.Net;
using DeleteMode = Spire.Api.Server.Bundle.V1.BatchDeleteFederatedBundleRequest.Types.Mode;
using Types = Spire.Api.Types;

namespace Identity.Server.Bundles;

/// <summary>
/// What to trust for other trust domains. A batch is one transaction; each item has its own answer, refused items change nothing. No entry
/// ever federates with a trust domain that is not here.
/// </summary>
internal sealed class FederatedBundles(ControlPlaneLedger ledger, TrustDomain own)
{
    public const int MaxBatch = 500;

    /// <summary>Trust domains to federate with.</summary>
    public const int MaxBundles = 1000;

    private enum Deed
    {
        Create,
        Update,
        Set,
    }

    public Task<IReadOnlyList<BundleAnswer>> CreateAsync(IReadOnlyList<Types.Bundle> wires, string author, CancellationToken cancellation) =>
        WriteAsync(Deed.Create, wires, null, author, cancellation);

    public Task<IReadOnlyList<BundleAnswer>> UpdateAsync(
        IReadOnlyList<Types.Bundle> wires, Types.BundleMask? mask, string author, CancellationToken cancellation) =>
        WriteAsync(Deed.Update, wires, mask, author, cancellation);

    public Task<IReadOnlyList<BundleAnswer>> SetAsync(IReadOnlyList<Types.Bundle> wires, string author, CancellationToken cancellation) =>
        WriteAsync(Deed.Set, wires, null, author, cancellation);

    public async Task<IReadOnlyList<BundleAnswer>> DeleteAsync(
        IReadOnlyList<string> names, DeleteMode mode, string author, CancellationToken cancellation) =>
        (await ledger.ChangeAsync(author, state => ProposeDeletion(names, mode, state), cancellation)).Answer;

    /// <summary>Reads the name of a trust domain other than our own.</summary>
    public bool TryName(string text, [NotNullWhen(true)] out TrustDomain? name, [NotNullWhen(false)] out string? problem)
    {
        if (!WireTrustDomain.TryParse(text, out name, out problem)) return false;
        if (name != own) return true;
        problem = $"{own} is this server's own trust domain, whose bundle is made here and nowhere else";
        name = null;
        return false;
    }

    private async Task<IReadOnlyList<BundleAnswer>> WriteAsync(
        Deed deed, IReadOnlyList<Types.Bundle> wires, Types.BundleMask? mask, string author, CancellationToken cancellation) =>
        (await ledger.ChangeAsync(author, state => ProposeWrites(deed, wires, mask, state), cancellation)).Answer;

    private Proposal<BundleAnswer[]> ProposeWrites(Deed deed, IReadOnlyList<Types.Bundle> wires, Types.BundleMask? mask, ControlPlaneState state)
    {
        var bundles = state.FederatedBundles.ToBuilder();
        var changes = new List<Change>();
        var answers = wires.Select(wire =>
        {
            if (!TryName(wire.TrustDomain, out var name, out var problem)) return BundleAnswer.Refused(StatusCode.InvalidArgument, problem);
            var stored = bundles.GetValueOrDefault(name.Name);
            switch (deed, stored)
            {
                case (Deed.Create, not null):
                    return BundleAnswer.Refused(StatusCode.AlreadyExists, $"a bundle of {name} is known already; update or set it");
                case (Deed.Update, null):
                    return BundleAnswer.NotFound(name.Name);
                case (_, null) when bundles.Count >= MaxBundles:
                    return BundleAnswer.Refused(StatusCode.ResourceExhausted, $"{MaxBundles} federated bundles are known, the most there may be; delete one first");
            }

            var bundle = (deed is Deed.Update ? BundleWire.Overlay(mask, stored!, wire) : wire).Clone();
            bundle.TrustDomain = name.Name;
            if (BundleWire.FindProblem(bundle, name) is { } flaw) return BundleAnswer.Refused(StatusCode.InvalidArgument, flaw);
            if (bundle.Equals(stored)) return BundleAnswer.Done(stored);
            bundles[name.Name] = bundle;
            changes.Add(new Change { FederatedBundleSet = bundle });
            return BundleAnswer.Done(bundle);
        }).ToArray();
        return new(answers, changes, "set federated bundles");
    }

    private Proposal<BundleAnswer[]> ProposeDeletion(IReadOnlyList<string> names, DeleteMode mode, ControlPlaneState state)
    {
        var gone = new HashSet<string>(StringComparer.Ordinal);
        var changes = new List<Change>();
        // Entries this batch has changed so far; null for those it has deleted.
        var entries = new Dictionary<string, Types.Entry?>(StringComparer.Ordinal);
        var answers = names.Select(text =>
        {
            if (!TryName(text, out var name, out var problem)) return BundleAnswer.Refused(StatusCode.InvalidArgument, problem);
            if (!state.FederatedBundles.ContainsKey(name.Name) || gone.Contains(name.Name)) return BundleAnswer.NotFound(name.Name);
            var federated = state.Entries.Values
                .Where(entry => entry.FederatesWith.Contains(name.Name))
                .Select(entry => entries.GetValueOrDefault(entry.Id, entry))
                .OfType<Types.Entry>()
                .ToList();
            if (federated.Count > 0 && mode is not (DeleteMode.Delete or DeleteMode.Dissociate))
            {
                return BundleAnswer.Refused(
                    StatusCode.FailedPrecondition,
                    $"{federated.Count} entries federate with {name}, {federated[0].Id} among them; delete them or dissociate them from it (mode DELETE or DISSOCIATE)");
            }

            foreach (var entry in federated) entries[entry.Id] = mode is DeleteMode.Delete ? null : Without(name.Name, entry);
            gone.Add(name.Name);
            changes.Add(new Change { FederatedBundleDeleted = name.Name });
            return BundleAnswer.Done(null);
        }).ToArray();

        // Entries first, so that at no step one federates with what is gone.
        Change[] all = [.. entries.Select(pair => pair.Value is { } entry ? new Change { EntrySet = entry } : new Change { EntryDeleted = pair.Key }), .. changes];
        return new(answers, all, "delete federated bundles");
    }

    private static Types.Entry Without(string name, Types.Entry entry)
    {
        var copy = entry.Clone();
        copy.FederatesWith.Remove(name);
        copy.RevisionNumber = entry.RevisionNumber + 1;
        return copy;
    }
}
