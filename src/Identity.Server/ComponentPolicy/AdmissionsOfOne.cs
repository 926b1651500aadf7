using System.Collections;
using System.Collections.Immutable;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.ComponentPolicy;

/// <summary>The live admissions of one SPIFFE ID, and in what they differ. There may be ten thousand.</summary>
internal sealed class AdmissionsOfOne : IEnumerable<ReportedAdmission>
{
    /// <summary>So many different ones are looked at; with more nobody knows who signed.</summary>
    public const int MaxSignatures = 16;

    private readonly LinkedList<ReportedAdmission> _all = [];

    // Agents name admissions each for itself, so two may have one id.
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _digests = new(StringComparer.Ordinal);
    private readonly Dictionary<SpiffeId, int> _hosts = [];
    private readonly Dictionary<VerifiedSigners, (VerifiedSigners Kept, int Count)> _signers = [];
    private int _beyond;

    public int Count => _all.Count;

    public ReportedAdmission? First => _all.First?.Value;

    /// <summary>What of an admission is not known when only the SPIFFE ID is.</summary>
    public PrincipalAttributes Differing =>
        (_digests.Count > 1 ? PrincipalAttributes.Digest : PrincipalAttributes.None) | (_hosts.Count > 1 ? PrincipalAttributes.Host : PrincipalAttributes.None)
        | (_signers.Count > MaxSignatures ? PrincipalAttributes.Signer : PrincipalAttributes.None);

    /// <summary>The signatures that there are, each once: builds of one component have others and may be signed by the same. No more than <see cref="MaxSignatures"/>.</summary>
    public ImmutableArray<VerifiedSigners> Signers => [.. _signers.Values.Take(MaxSignatures).Select(signers => signers.Kept)];

    public bool Contains(string id) => _ids.ContainsKey(id);

    public LinkedListNode<ReportedAdmission> Add(ReportedAdmission admission)
    {
        admission = Bounded(admission);
        Note(admission, 1);
        return _all.AddLast(admission);
    }

    public void Remove(LinkedListNode<ReportedAdmission> node)
    {
        Note(node.Value, -1);
        _all.Remove(node);
        if (_beyond == 0 || _signers.Count > MaxSignatures) return;
        // There is room again for one that was left out.
        for (var next = _all.First; next is not null; next = next.Next)
        {
            if (next.Value.SignersBeyond is not { } signers) continue;
            Note(next.Value, -1);
            next.Value = Bounded(next.Value with { Signers = signers, SignersBeyond = null });
            Note(next.Value, 1);
            if (next.Value.SignersBeyond is not null) return;
        }
    }

    public IEnumerator<ReportedAdmission> GetEnumerator() => _all.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    // What was found out about the same signatures is not found out again for each copy. Of more different ones than are looked at nobody knows who signed: they are
    // not tried, with however many keys somebody asks for.
    private ReportedAdmission Bounded(ReportedAdmission admission) =>
        _signers.TryGetValue(admission.Signers, out var known) ? admission with { Signers = known.Kept }
        : _signers.Count >= MaxSignatures ? admission with { Signers = VerifiedSigners.NotTold, SignersBeyond = admission.Signers }
        : admission;

    private void Note(ReportedAdmission admission, int by)
    {
        if (admission.SignersBeyond is not null) _beyond += by;
        Note(_ids, admission.Id, by);
        Note(_digests, admission.Digest, by);
        Note(_hosts, admission.Host, by);
        var (kept, count) = _signers.GetValueOrDefault(admission.Signers, (admission.Signers, 0));
        if (count + by > 0) _signers[admission.Signers] = (kept, count + by);
        else _signers.Remove(admission.Signers);
    }

    private static void Note<T>(Dictionary<T, int> counts, T key, int by)
        where T : notnull
    {
        var count = counts.GetValueOrDefault(key) + by;
        if (count > 0) counts[key] = count;
        else counts.Remove(key);
    }
}
