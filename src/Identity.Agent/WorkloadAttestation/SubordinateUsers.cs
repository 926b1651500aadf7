using System.Globalization;
using System.Text;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// Whose user a user is. subuid(5) gives ordinary users ranges of thousands of user numbers, under which their containers run: whoever shares something among users
/// counts those as their owner, or one user is a crowd. Ranges of others, such as root's or a container engine's own, are given out to containers that have nothing
/// to do with one another, commonly 65,536 at a time: those count as one for each such block.
/// </summary>
internal sealed class SubordinateUsers(AccountNames names, string file = "/etc/subuid")
{
    private const int MaxBytes = 4 << 20;

    // login.defs(5), UID_MIN and SUB_UID_COUNT.
    private const uint FirstOrdinaryUser = 1000;
    private const uint Block = 65_536;

    private volatile Read? _read;

    /// <summary>A number for the owner of this user: its own, that of the user it belongs to, or a negative one where that is nobody in particular.</summary>
    public long OwnerOf(uint uid)
    {
        try
        {
            // Whoever has an account is nobody's.
            return FileStamp.Of(file) is not { } stamp || names.UserOf(uid) is not null ? uid : OwnerIn(RangesAt(stamp), uid);
        }
        catch (IOException)
        {
            // Out of descriptors, say: nothing that speaks against the caller.
            return _read is { } last ? OwnerIn(last.Ranges, uid) : uid;
        }
    }

    private static long OwnerIn(Range[] ranges, uint uid)
    {
        foreach (var range in ranges)
        {
            if (uid >= range.First && uid - range.First < range.Count) return range.Owner ?? -2L - (range.First + ((uid - range.First) / Block * Block));
        }

        return uid;
    }

    private Range[] RangesAt(FileStamp stamp)
    {
        var accounts = names.Version;
        if (_read is { MayBeKept: true } read && read.Stamp == stamp && read.Accounts.Equals(accounts)) return read.Ranges;
        // A file's time is coarse: two writes within one tick look like one.
        var ranges = Parse();
        _read = new Read(stamp, accounts, ranges, stamp.IsSettledAt(TimeProvider.System.GetUtcNow()));
        return ranges;
    }

    private Range[] Parse()
    {
        var ranges = new List<Range>();
        foreach (var line in Encoding.UTF8.GetString(UnlockedFile.TryRead(file, MaxBytes) ?? []).Split('\n'))
        {
            if (line.Split(':') is not [var owner, var start, var length]) continue;
            if (!uint.TryParse(start, NumberStyles.None, CultureInfo.InvariantCulture, out var first)) continue;
            if (!uint.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var count)) continue;
            ranges.Add(new Range(first, count, NumberOf(owner) is { } number and >= FirstOrdinaryUser ? number : null));
        }

        return [.. ranges];
    }

    private uint? NumberOf(string owner) =>
        uint.TryParse(owner, NumberStyles.None, CultureInfo.InvariantCulture, out var uid) ? uid : names.UidOf(owner);

    private sealed record Read(FileStamp Stamp, object Accounts, Range[] Ranges, bool MayBeKept);

    /// <param name="Owner">Null when it is no ordinary user.</param>
    private readonly record struct Range(uint First, uint Count, uint? Owner);
}
