using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Spiffe.Net;

namespace Identity.Agent.NodeEnrollment;

/// <summary>This node's own SVID, in memory and in the data folder.</summary>
internal sealed class NodeIdentity(AgentOptions options)
{
    private const int MaxFileBytes = 1 << 20;

    private readonly string _file = Path.Combine(options.DataDirectory, "node-svid.pem");
    private volatile X509Svid? _current;

    /// <summary>Throws before the node is attested.</summary>
    public X509Svid Current => _current ?? throw new InvalidOperationException("the node is not attested yet");

    /// <summary>
    /// Takes the SVID into use and keeps it: key and chain in one file, so that they never disagree. It is in use also when it cannot be kept and this throws
    /// (<see cref="IOException"/>, <see cref="UnauthorizedAccessException"/>): the server goes by the newest one it issued.
    /// </summary>
    public void Adopt(X509Svid svid)
    {
        _current = svid;
        var key = svid.ExportPkcs8PrivateKey();
        var pem = PemEncoding.Write("PRIVATE KEY", key);
        var chain = string.Concat(new[] { svid.Leaf }.Concat(svid.Intermediates).Select(c => "\n" + c.ExportCertificatePem()));
        var content = new byte[pem.Length + chain.Length];
        Encoding.ASCII.GetBytes(pem, content);
        Encoding.ASCII.GetBytes(chain, content.AsSpan(pem.Length));
        try
        {
            PrivateFiles.Replace(_file, content);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(content);
            Array.Clear(pem);
        }
    }

    /// <summary>Takes the stored SVID into use when it is still good.</summary>
    /// <param name="problem">Why there is none to use; null when none was stored.</param>
    public bool TryLoad(TrustBundleSet bundles, DateTimeOffset now, out string? problem)
    {
        problem = null;
        if (PrivateFiles.ReadIfExists(_file, MaxFileBytes) is not { } content) return false;
        if (!TryParse(Encoding.ASCII.GetString(content), out var chain, out var key)
            || !X509Svid.TryCreate(chain, key, "", out var svid, out _))
        {
            problem = $"the stored SVID '{_file}' cannot be read";
            return false;
        }

        if (X509SvidVerifier.Verify(chain, bundles, now) is X509SvidVerification.Refused refused)
        {
            problem = $"the stored SVID is of no use any more: {refused.Reason}";
            return false;
        }

        _current = svid;
        return true;
    }

    /// <summary>The server no longer knows this SVID, so the next start needs a join token.</summary>
    public void ForgetStored() => File.Delete(_file);

    private static bool TryParse(string pem, out List<ReadOnlyMemory<byte>> chain, out byte[] key)
    {
        (chain, key) = ([], []);
        var rest = pem.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            var bytes = Convert.FromBase64String(rest[fields.Base64Data].ToString());
            if (rest[fields.Label] is "PRIVATE KEY") key = bytes;
            else chain.Add(bytes);
            rest = rest[fields.Location.End..];
        }

        return chain.Count > 0 && key.Length > 0;
    }
}
