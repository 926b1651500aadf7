using System.Globalization;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Names of users and groups from /etc/passwd and /etc/group. Accounts of a directory service have no name here, only a number.</summary>
internal sealed class AccountNames(string passwdFile = "/etc/passwd", string groupFile = "/etc/group")
{
    private const int MaxBytes = 4 << 20;

    public string? UserOf(uint uid) => Find(passwdFile, uid);

    public string? GroupOf(uint gid) => Find(groupFile, gid);

    // passwd(5) and group(5) agree on the first and the third field. Read each time: small, and always as the system sees it.
    private static string? Find(string file, uint id)
    {
        var wanted = id.ToString(CultureInfo.InvariantCulture);
        try
        {
            if (new FileInfo(file).Length > MaxBytes) return null;
            foreach (var line in File.ReadLines(file))
            {
                var fields = line.Split(':', 4);
                if (fields.Length == 4 && fields[2] == wanted && fields[0].Length > 0) return fields[0];
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        return null;
    }
}
