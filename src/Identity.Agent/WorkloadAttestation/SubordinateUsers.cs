using System.Globalization;
using System.Text;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// Whose user a user is. subuid(5) gives ordinary users ranges of thousands of user numbers, under which their containers run: whoever shares something among users
/// counts those as their owner, or one user is a crowd.
/// </summary>
internal sealed class SubordinateUsers(AccountNames names, string file = "/etc/subuid")
{
    private const int MaxBytes = 4 << 20;

    private volatile Read? _read;

    /// <summary>A number for the owner of this user: its own, that of the user it belongs to, or a negative one where the owner has no number here.</summary>
    public long OwnerOf(uint uid)
    {
        if (FileStamp.Of(file) is not { } stamp) return uid;
        if (_read is not { } read || read.Stamp != stamp) _read = read = new Read(stamp, Parse());
        foreach (var range in read.Ranges)
        {
            if (uid >= range.First && uid - range.First < range.Count) return range.Owner;
        }

        return uid;
    }

    private Range[] Parse()
    {
        var ranges = new List<Range>();
        foreach (var line in Encoding.UTF8.GetString(UnlockedFile.TryRead(file, MaxBytes) ?? []).Split('\n'))
        {
            if (line.Split(':') is not [var owner, var start, var length]) continue;
            if (!uint.TryParse(start, NumberStyles.None, CultureInfo.InvariantCulture, out var first)) continue;
            if (!uint.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var count)) continue;
            ranges.Add(new Range(first, count, NumberOf(owner) ?? -2L - first));
        }

        return [.. ranges];
    }

    private uint? NumberOf(string owner) =>
        uint.TryParse(owner, NumberStyles.None, CultureInfo.InvariantCulture, out var uid) ? uid : names.UidOf(owner);

    private sealed record Read(FileStamp Stamp, Range[] Ranges);

    private readonly record struct Range(uint First, uint Count, long Owner);
}
