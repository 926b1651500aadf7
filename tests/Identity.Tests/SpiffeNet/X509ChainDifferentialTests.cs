using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>
/// Thousands of random hierarchies, judged by us and by <see cref="X509Chain"/> (OpenSSL on Linux): whatever path we accept, it accepts too. It is handed the path we
/// found, because it does not step back from a certificate that leads nowhere. Not generated, as it differs there by design: an authority key identifier that
/// contradicts its issuer's (a hint for us), and an anchor that is not self-signed (not one for it).
/// </summary>
[Trait("rule", "X509-23")]
public class X509ChainDifferentialTests
{
    private static readonly DateTimeOffset Now = CertificateRecipe.Now;
    private static readonly ECDsa[] Keys = [.. Enumerable.Range(0, 6).Select(_ => ECDsa.Create(ECCurve.NamedCurves.nistP256))];

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    public void Whatever_we_accept_the_base_library_accepts(int seed)
    {
        var random = new Pcg((ulong)seed);
        int accepted = 0, refused = 0, stricter = 0;
        for (var round = 0; round < 500; round++)
        {
            var (chain, root) = MakeHierarchy(random);
            var bundle = new TrustBundleSet(root.AsBundle());
            if (X509SvidVerifier.Verify([.. chain.Select(c => (ReadOnlyMemory<byte>)c.Der)], bundle, Now) is X509SvidVerification.Verified)
            {
                accepted++;
                var found = FindPath(chain, root);
                Assert.True(IsAcceptedByX509Chain(chain[0].Der, found, root.Der, out var status), $"round {round} of seed {seed}: {status}");
            }
            else
            {
                refused++;
                if (IsAcceptedByX509Chain(chain[0].Der, [.. chain.Skip(1).Select(c => c.Der)], root.Der, out _)) stricter++;
            }
        }

        // The generator makes all three kinds, or the test would show nothing.
        Assert.True(accepted > 50 && refused > 50 && stricter > 0, $"{accepted} accepted, {refused} refused, {stricter} of them accepted by X509Chain");
    }

    private static (ForgedCertificate[] Chain, ForgedCertificate Root) MakeHierarchy(Pcg random)
    {
        // Two authorities of one name need key identifiers, or X509Chain takes the first and stays with it.
        var isIdentified = random.Chance(60);
        var rootKey = random.Next(Keys.Length);
        var root = ForgedCertificate.SelfSigned(MakeAuthority(random, 0, rootKey, null, isIdentified, spoils: false));
        List<(ForgedCertificate Certificate, int Key)> authorities = [(root, rootKey)];
        for (var i = 1 + random.Next(4); i > 0; i--)
        {
            var (above, key) = (random.Pick(authorities), random.Next(Keys.Length));
            authorities.Add((above.Certificate.Issue(MakeAuthority(random, i, key, above.Key, isIdentified, spoils: random.Chance(35))), key));
        }

        var issuer = random.Chance(60) ? authorities[^1] : random.Pick(authorities);
        var leaf = issuer.Certificate.Issue(MakeLeaf(random, isIdentified ? issuer.Key : null));
        var sent = authorities.Skip(random.Chance(70) ? 1 : 0).Select(authority => authority.Certificate).ToList();
        if (random.Chance(10) && sent.Count > 0) sent.RemoveAt(random.Next(sent.Count));
        if (random.Chance(50)) sent.Reverse();
        return ([leaf, .. sent], root);
    }

    private static CertificateRecipe MakeAuthority(Pcg random, int number, int key, int? issuerKey, bool isIdentified, bool spoils)
    {
        var recipe = CertificateRecipe.Authority(!isIdentified || random.Chance(85) ? $"authority {number}" : $"authority {random.Next(3)}") with
        {
            Key = Keys[key],
            SerialNumber = [0x42, (byte)random.Next(256)],
            PathLength = random.Chance(30) ? random.Next(3) : null,
            Uris = random.Chance(80) ? ["spiffe://example.org"] : random.Chance(50) ? [] : ["spiffe://other.org"],
        };
        List<(string, bool, byte[])> more = [];
        if (isIdentified || random.Chance(50)) more.Add((CertificateOids.SubjectKeyIdentifier, false, [0x04, 0x01, (byte)key]));
        if (isIdentified && issuerKey is { } above) more.Add(AuthorityKey(above));
        if (random.Chance(30)) more.Add((CertificateOids.NameConstraints, true, MakeConstraints(random)));
        if (spoils)
        {
            switch (random.Next(6))
            {
                case 0: recipe = recipe with { NotAfter = Now.AddMinutes(-1) }; break;
                case 1: recipe = recipe with { KeyUsage = CertificateRecipe.CrlSign }; break;
                case 2: recipe = recipe with { IsAuthority = false, PathLength = null }; break;
                case 3: recipe = recipe with { CriticalBasicConstraints = false }; break;
                case 4: recipe = recipe with { ExtendedKeyUsage = ["1.3.6.1.5.5.7.3.3"] }; break;
                default: more.Add(("1.2.3.4", true, [0x05, 0x00])); break;
            }
        }

        return recipe with { MoreExtensions = more };
    }

    private static (string Oid, bool Critical, byte[] Value) AuthorityKey(int key) => (CertificateOids.AuthorityKeyIdentifier, false, [0x30, 0x03, 0x80, 0x01, (byte)key]);

    private static CertificateRecipe MakeLeaf(Pcg random, int? issuerKey) => new()
    {
        MoreExtensions = issuerKey is { } key ? [AuthorityKey(key)] : [],
        Key = random.Pick(Keys),
        Subject = random.Chance(50) ? "" : "a leaf",
        DnsNames = random.Chance(40) ? [random.Pick(["a.example.org", "example.org", "b.other.org"])] : [],
        Addresses = random.Chance(30) ? [random.Pick(["10.1.1.1", "192.168.1.1", "2001:db8::7"])] : [],
        NotAfter = random.Chance(95) ? Now.AddHours(1) : Now.AddMinutes(-1),
        SerialNumber = [0x41, (byte)random.Next(256)],
    };

    private static byte[] MakeConstraints(Pcg random)
    {
        byte[][] bases =
        [
            DerTree.Encode(0x86, "example.org"u8.ToArray()),
            DerTree.Encode(0x86, "other.org"u8.ToArray()),
            DerTree.Encode(0x86, ".example.org"u8.ToArray()),
            DerTree.Encode(0x82, "example.org"u8.ToArray()),
            DerTree.Encode(0x82, "other.org"u8.ToArray()),
            DerTree.Encode(0x87, [10, 0, 0, 0, 255, 0, 0, 0]),
            DerTree.Encode(0xA4, new X500DistinguishedName("CN=a leaf").RawData),
            DerTree.Encode(0x81, "example.org"u8.ToArray()),
        ];
        var list = Enumerable.Range(0, 1 + random.Next(3)).Select(_ => DerTree.Encode(0x30, random.Pick(bases))).SelectMany(subtree => subtree).ToArray();
        return DerTree.Encode(0x30, DerTree.Encode((byte)(random.Chance(70) ? 0xA0 : 0xA1), list));
    }

    private static byte[][] FindPath(ForgedCertificate[] chain, ForgedCertificate root)
    {
        Assert.True(CertificateFields.TryRead(chain[0].Der, out var leaf, out _));
        var sent = chain.Skip(1).Select(c => SigningCertificate.TryRead(c.Der, out var read, out _) ? read : throw new InvalidOperationException()).ToArray();
        var search = new X509PathSearch(root.AsBundle().X509Anchors, sent, Now);
        Assert.Null(search.FindProblem(leaf));
        return [.. search.Path.SkipLast(1).Select(certificate => certificate.Encoded.ToArray())];
    }

    private static bool IsAcceptedByX509Chain(byte[] leaf, byte[][] others, byte[] root, out string status)
    {
        using var chain = new X509Chain();
        using var certificate = X509CertificateLoader.LoadCertificate(leaf);
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(X509CertificateLoader.LoadCertificate(root));
        foreach (var other in others) chain.ChainPolicy.ExtraStore.Add(X509CertificateLoader.LoadCertificate(other));
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = Now.UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(CertificateOids.ServerAuthentication));
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(CertificateOids.ClientAuthentication));
        var isAccepted = chain.Build(certificate);
        status = string.Join(", ", chain.ChainStatus.Select(s => $"{s.Status}: {s.StatusInformation}"));
        foreach (var loaded in chain.ChainPolicy.ExtraStore.Concat(chain.ChainPolicy.CustomTrustStore)) loaded.Dispose();
        return isAccepted;
    }
}
