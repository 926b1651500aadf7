using Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary>Which fields a caller wants (or means to change). No mask means all of them.</summary>
internal static class EntryMasks
{
    /// <summary>Always a copy: what the ledger holds is shared and must not be changed by whoever answers a call.</summary>
    public static Entry Apply(EntryMask? mask, Entry entry)
    {
        var copy = entry.Clone();
        if (mask is null) return copy;
        if (!mask.SpiffeId) copy.SpiffeId = null;
        if (!mask.ParentId) copy.ParentId = null;
        if (!mask.Selectors) copy.Selectors.Clear();
        if (!mask.X509SvidTtl) copy.X509SvidTtl = 0;
        if (!mask.FederatesWith) copy.FederatesWith.Clear();
        if (!mask.Admin) copy.Admin = false;
        if (!mask.Downstream) copy.Downstream = false;
        if (!mask.ExpiresAt) copy.ExpiresAt = 0;
        if (!mask.DnsNames) copy.DnsNames.Clear();
        if (!mask.RevisionNumber) copy.RevisionNumber = 0;
        if (!mask.StoreSvid) copy.StoreSvid = false;
        if (!mask.JwtSvidTtl) copy.JwtSvidTtl = 0;
        if (!mask.Hint) copy.Hint = "";
        if (!mask.CreatedAt) copy.CreatedAt = 0;
        if (!mask.AdditionalAttributes) copy.AdditionalAttributes = null;
        return copy;
    }

    /// <summary>The stored entry with the masked fields of an update laid over it.</summary>
    public static Entry Overlay(EntryMask? mask, Entry stored, Entry update)
    {
        if (mask is null)
        {
            var all = update.Clone();
            all.Id = stored.Id;
            return all;
        }

        var merged = stored.Clone();
        if (mask.SpiffeId) merged.SpiffeId = update.SpiffeId?.Clone();
        if (mask.ParentId) merged.ParentId = update.ParentId?.Clone();
        if (mask.Selectors) Replace(merged.Selectors, update.Selectors.Select(s => s.Clone()));
        if (mask.X509SvidTtl) merged.X509SvidTtl = update.X509SvidTtl;
        if (mask.FederatesWith) Replace(merged.FederatesWith, update.FederatesWith);
        if (mask.Admin) merged.Admin = update.Admin;
        if (mask.Downstream) merged.Downstream = update.Downstream;
        if (mask.ExpiresAt) merged.ExpiresAt = update.ExpiresAt;
        if (mask.DnsNames) Replace(merged.DnsNames, update.DnsNames);
        if (mask.StoreSvid) merged.StoreSvid = update.StoreSvid;
        if (mask.JwtSvidTtl) merged.JwtSvidTtl = update.JwtSvidTtl;
        if (mask.Hint) merged.Hint = update.Hint;
        if (mask.AdditionalAttributes) merged.AdditionalAttributes = update.AdditionalAttributes?.Clone();
        return merged;
    }

    private static void Replace<T>(Google.Protobuf.Collections.RepeatedField<T> field, IEnumerable<T> values)
    {
        field.Clear();
        field.AddRange(values);
    }
}
