using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Grpc.Core;
using Identity.Testing.Mesh;
using Identity.Testing.Platform;

namespace Identity.Dev;

/// <summary>The part of the main job that concerns Istio ambient: a client shaped like ztunnel asks the Istio CA API.</summary>
internal sealed class MeshStory(LocalPlatform platform, Teller teller)
{
    private const string Node = "node-1";

    private string IstioFolder => Path.Combine(platform.ServerData, "istio");

    public async Task RunAsync(CancellationToken cancellation)
    {
        teller.Chapter("In a mesh (Istio ambient)");
        teller.Doing("a cluster's token issuer and pods");
        using var cluster = new KubernetesTokenIssuer();
        var (ztunnelUid, greeterUid) = (Guid.NewGuid().ToString(), Guid.NewGuid().ToString());
        WriteCluster(cluster, ztunnelUid, greeterUid);
        var token = cluster.Token("istio-system", "ztunnel", "ztunnel-7xk2p", ztunnelUid, Node, TimeProvider.System.GetUtcNow());
        WriteToken(token);

        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(platform.BundleFile);
        using var ztunnel = new ZtunnelClient(new Uri($"https://localhost:{platform.Ports.Istio}"), roots, token);

        teller.Doing("asking for a certificate");
        var identity = $"spiffe://{platform.TrustDomain}/ns/default/sa/greeter";
        var certificate = await ztunnel.FetchAsync(identity, TimeSpan.FromHours(24), cancellation);
        teller.Fact("ztunnel", $"was given a certificate for {identity}, and verified it as ztunnel does");
        teller.Detail($"valid until {certificate.Leaf.NotAfter.ToUniversalTime():yyyy-MM-dd HH:mm:ss}Z · chain of {certificate.Intermediates.Count + 1}, {certificate.Roots.Count} root");

        try
        {
            await ztunnel.FetchAsync($"spiffe://{platform.TrustDomain}/ns/default/sa/elsewhere", TimeSpan.FromHours(24), cancellation);
            MainJob.Expect(false, "the CA signed for a service account that is not on the caller's node");
        }
        catch (RpcException refused) when (refused.StatusCode is StatusCode.PermissionDenied or StatusCode.Unauthenticated)
        {
            teller.Refusal("ztunnel", "was refused one for spiffe://" + platform.TrustDomain + "/ns/default/sa/elsewhere");
            teller.Detail(refused.Status.Detail);
        }
    }

    /// <summary>What a cluster would tell: with which keys tokens are signed, and which pod runs where.</summary>
    private void WriteCluster(KubernetesTokenIssuer cluster, string ztunnelUid, string greeterUid)
    {
        Directory.CreateDirectory(IstioFolder);
        Replace(Path.Combine(IstioFolder, "jwks.json"), cluster.Jwks());
        Replace(Path.Combine(IstioFolder, "placement.json"), new JsonObject
        {
            ["issuer"] = cluster.Issuer,
            ["trustedNodeAccounts"] = new JsonArray("istio-system/ztunnel"),
            ["pods"] = new JsonArray(
                Pod("istio-system", "ztunnel", "ztunnel-7xk2p", ztunnelUid, Node),
                Pod("default", "greeter", "greeter-0", greeterUid, Node),
                Pod("default", "elsewhere", "elsewhere-0", Guid.NewGuid().ToString(), "node-2")),
        }.ToJsonString(new() { WriteIndented = true }));
    }

    private static JsonObject Pod(string @namespace, string serviceAccount, string name, string uid, string node) => new()
    {
        ["namespace"] = @namespace,
        ["serviceAccount"] = serviceAccount,
        ["podName"] = name,
        ["podUid"] = uid,
        ["node"] = node,
    };

    private void WriteToken(string token)
    {
        var folder = Directory.CreateDirectory(Path.Combine(platform.Folder, "istio")).FullName;
        var file = Path.Combine(folder, "ztunnel-token");
        File.Delete(file);
        using var stream = new FileStream(file, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        stream.Write(System.Text.Encoding.ASCII.GetBytes(token));
    }

    private static void Replace(string file, string text)
    {
        File.WriteAllText($"{file}.new", text);
        File.Move($"{file}.new", file, overwrite: true);
    }
}
