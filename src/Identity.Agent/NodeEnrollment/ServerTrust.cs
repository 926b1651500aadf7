using System.Text;
using Spiffe.Net;

namespace Identity.Agent.NodeEnrollment;

/// <summary>Whom to believe to be the server: what it told us last, else what the operator gave for the first contact.</summary>
internal sealed class ServerTrust(AgentOptions options)
{
    private const int MaxBundleBytes = 4 << 20;

    private readonly string _file = Path.Combine(options.DataDirectory, "bundle.json");
    private volatile TrustBundleSet _bundles = TrustBundleSet.Empty;
    private bool _isKept = true;

    public TrustBundleSet Bundles => _bundles;

    /// <summary>For a node that is known to the server: its stored bundle follows rotations that the operator's file has missed.</summary>
    public bool TryUseStored() => TryUse(_file, PrivateFiles.ReadIfExists(_file, MaxBundleBytes), out _);

    /// <summary>For first contact. Throws <see cref="StartRefusedException"/> when there is nothing to believe.</summary>
    public void UseBootstrap()
    {
        if (options.TrustBundleFile is { } file)
        {
            if (!TryUse(file, PrivateFiles.ReadIfExists(file, MaxBundleBytes), out var problem))
                throw new StartRefusedException($"the trust bundle '{file}' cannot be used: {problem}");
            // What the server tells is stored though it be the same: the next start goes by that.
            _isKept = false;
        }
        else if (!TryUseStored())
        {
            throw new StartRefusedException("this node is not attested yet and has no trust bundle to know the server by; give --trust-bundle FILE");
        }
    }

    /// <summary>Throws <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/> when it is believed but cannot be stored.</summary>
    public void Learn(TrustBundle bundle)
    {
        if (_isKept && _bundles.TryGet(bundle.TrustDomain, out var known) && known.HasSameAuthorities(bundle)) return;
        (_bundles, _isKept) = (new TrustBundleSet(bundle), false);
        PrivateFiles.Replace(_file, bundle.ToJson());
        _isKept = true;
    }

    private bool TryUse(string file, byte[]? content, out string problem)
    {
        problem = $"there is no file '{file}'";
        if (content is null) return false;
        var isJson = content.AsSpan().TrimStart(" \t\r\n"u8).StartsWith("{"u8);
        var isRead = isJson
            ? TrustBundle.TryParse(options.TrustDomain, content, out var bundle, out var flaw)
            : TrustBundle.TryParsePem(options.TrustDomain, Encoding.UTF8.GetString(content), out bundle, out flaw);
        if (isRead && bundle!.X509Authorities.Count == 0) flaw = "it has no X.509 authority";
        problem = flaw ?? "";
        if (flaw is not null) return false;
        _bundles = new TrustBundleSet(bundle!);
        return true;
    }
}
