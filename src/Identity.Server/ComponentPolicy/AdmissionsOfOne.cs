using System.Collections;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.ComponentPolicy;

/// <summary>The live admissions of one SPIFFE ID, and in what they differ. There may be ten thousand.</summary>
internal sealed class AdmissionsOfOne : IEnumerable<ReportedAdmission>
{
    private readonly LinkedList<ReportedAdmission> _all = [];

    // Agents name admissions each for itself, so two may have one id.
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _digests = new(StringComparer.Ordinal);
    private readonly Dictionary<SpiffeId, int> _hosts = [];
    private readonly Dictionary<VerifiedSigners, int> _signers = [];

    public int Count => _all.Count;

    public ReportedAdmission? First => _all.First?.Value;

    /// <summary>What of an admission is not known when only the SPIFFE ID is.</summary>
    public PrincipalAttributes Differing =>
        (_digests.Count > 1 ? PrincipalAttributes.Digest : PrincipalAttributes.None) | (_hosts.Count > 1 ? PrincipalAttributes.Host : PrincipalAttributes.None)
        | (_signers.Count > 1 ? PrincipalAttributes.Signer : PrincipalAttributes.None);

    public bool Contains(string id) => _ids.ContainsKey(id);

    public LinkedListNode<ReportedAdmission> Add(ReportedAdmission admission)
    {
        Note(admission, 1);
        return _all.AddLast(admission);
    }

    public void Remove(LinkedListNode<ReportedAdmission> node)
    {
        Note(node.Value, -1);
        _all.Remove(node);
    }

    public IEnumerator<ReportedAdmission> GetEnumerator() => _all.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void Note(ReportedAdmission admission, int by)
    {
        Note(_ids, admission.Id, by);
        Note(_digests, admission.Digest, by);
        Note(_hosts, admission.Host, by);
        Note(_signers, admission.Signers, by);
    }

    private static void Note<T>(Dictionary<T, int> counts, T key, int by)
        where T : notnull
    {
        var count = counts.GetValueOrDefault(key) + by;
        if (count > 0) counts[key] = count;
        else counts.Remove(key);
    }
}
