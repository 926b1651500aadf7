using System.Collections.Frozen;
using System.Globalization;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Names of users and groups from /etc/passwd and /etc/group. Accounts of a directory service have no name here, only a number.</summary>
internal sealed class AccountNames(string passwdFile = "/etc/passwd", string groupFile = "/etc/group")
{
    private readonly NamesFile _users = new(passwdFile);
    private readonly NamesFile _groups = new(groupFile);

    /// <summary>Another object whenever one of the files became another.</summary>
    public object Version => (_users.Names, _groups.Names);

    public string? UserOf(uint uid) => _users.Names.GetValueOrDefault(uid);

    public string? GroupOf(uint gid) => _groups.Names.GetValueOrDefault(gid);

    /// <summary>Null when no account has this name.</summary>
    public uint? UidOf(string user) => _users.Names.Where(name => name.Value == user).Select(name => (uint?)name.Key).FirstOrDefault();

    private sealed class NamesFile(string file)
    {
        private const int MaxBytes = 4 << 20;

        private volatile Read? _read;

        /// <summary>As the file says now: looked at each time, read again when it changed.</summary>
        public FrozenDictionary<uint, string> Names
        {
            get
            {
                if (FileStamp.Of(file) is not { } stamp) return FrozenDictionary<uint, string>.Empty;
                if (_read is { } read && read.Stamp == stamp && read.MayBeKept) return read.Names;
                var names = Parse();
                // Read again and the same: keep the object, which says that nothing changed.
                if (_read is { } before && before.Names.Count == names.Count && before.Names.All(n => names.GetValueOrDefault(n.Key) == n.Value)) names = before.Names;
                // A file's time is coarse: two writes within one tick look like one.
                _read = new Read(stamp, names, stamp.IsSettledAt(TimeProvider.System.GetUtcNow()));
                return names;
            }
        }

        // passwd(5) and group(5) agree on the first and the third field.
        private FrozenDictionary<uint, string> Parse()
        {
            var names = new Dictionary<uint, string>();
            // A file that cannot be read now is a fault, and not a machine without accounts.
            var content = UnlockedFile.TryRead(file, MaxBytes + 1) ?? [];
            if (content.Length > MaxBytes) return FrozenDictionary<uint, string>.Empty;
            foreach (var line in System.Text.Encoding.UTF8.GetString(content).Split('\n'))
            {
                var fields = line.Split(':', 4);
                if (fields.Length == 4 && fields[0].Length > 0 && uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                    names.TryAdd(id, fields[0]);
            }

            return names.ToFrozenDictionary();
        }

        private sealed record Read(FileStamp Stamp, FrozenDictionary<uint, string> Names, bool MayBeKept);
    }
}
