namespace Identity.Server.IstioAmbientCa;

/// <summary>What mesh requests are judged by: the cluster's signing keys and its placement.</summary>
internal sealed record MeshTrust(KubernetesSigningKeys Keys, NodePlacement Placement);

/// <summary>
/// Keeps <see cref="MeshTrust"/> as the two files in the folder say, re-read when they change. A file that cannot be read closes the CA
/// rather than leaving yesterday's placement in force: a pod may have moved.
/// </summary>
internal sealed class MeshTrustFiles(string folder)
{
    private readonly Lock _gate = new();
    private readonly string _keysFile = Path.Combine(folder, "jwks.json");
    private readonly string _placementFile = Path.Combine(folder, "placement.json");
    private (DateTime, long, DateTime, long) _stamp;
    private MeshTrust? _trust;
    private string _problem = "";

    /// <summary>Null with what to put where.</summary>
    public MeshTrust? Read(out string problem)
    {
        lock (_gate)
        {
            var stamp = Stamp();
            if (stamp != _stamp || (_trust is null && _problem.Length == 0))
            {
                (_trust, _problem) = Load();
                _stamp = stamp;
            }

            problem = _problem;
            return _trust;
        }
    }

    private (MeshTrust?, string) Load()
    {
        try
        {
            if (!File.Exists(_keysFile))
                return (null, $"this CA has no cluster to trust: put the cluster's JWKS (kubectl get --raw /openid/v1/jwks) into {_keysFile}");
            if (!File.Exists(_placementFile))
                return (null, $"this CA does not know which pod runs where: put {{\"issuer\", \"trustedNodeAccounts\", \"pods\"}} into {_placementFile}");
            if (new FileInfo(_keysFile).Length > KubernetesSigningKeys.MaxBytes) return (null, $"{_keysFile} has more than {KubernetesSigningKeys.MaxBytes} bytes");
            if (new FileInfo(_placementFile).Length > NodePlacement.MaxBytes) return (null, $"{_placementFile} has more than {NodePlacement.MaxBytes} bytes");
            if (!KubernetesSigningKeys.TryParse(File.ReadAllBytes(_keysFile), out var keys, out var problem)) return (null, $"{_keysFile}: {problem}");
            return NodePlacement.TryParse(File.ReadAllBytes(_placementFile), out var placement, out problem)
                ? (new MeshTrust(keys, placement), "")
                : (null, $"{_placementFile}: {problem}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, $"{_keysFile} or {_placementFile} cannot be read by this process");
        }
    }

    private (DateTime, long, DateTime, long) Stamp()
    {
        var keys = new FileInfo(_keysFile);
        var placement = new FileInfo(_placementFile);
        return (
            keys.Exists ? keys.LastWriteTimeUtc : default, keys.Exists ? keys.Length : -1,
            placement.Exists ? placement.LastWriteTimeUtc : default, placement.Exists ? placement.Length : -1);
    }
}
