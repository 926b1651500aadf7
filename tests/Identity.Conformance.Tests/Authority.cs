using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Identity.Conformance.Tests;

/// <summary>Signs <see cref="LeafVector"/>s, those of signing certificates too.</summary>
internal sealed class Authority
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X500DistinguishedName _name;

    private Authority(LeafVector vector, Authority? issuer)
    {
        var request = vector.ToRequest(_key);
        _name = request.SubjectName;
        Der = (issuer ?? this).Sign(request, vector);
    }

    public byte[] Der { get; }

    /// <summary>Signs tokens with the very key that signs certificates.</summary>
    public Jws Tokens => new(_key);

    public static Authority Root(LeafVector? vector = null) => new(vector ?? LeafVector.SigningCertificate("root"), null);

    public Authority Issue(LeafVector vector) => new(vector, this);

    public byte[] Sign(LeafVector vector)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Sign(vector.ToRequest(key), vector);
    }

    private byte[] Sign(CertificateRequest request, LeafVector vector)
    {
        byte[] serial = [0x40, .. RandomNumberGenerator.GetBytes(15)];
        using var certificate = request.Create(_name, X509SignatureGenerator.CreateForECDsa(_key), vector.NotBefore, vector.NotAfter, serial);
        return certificate.RawData;
    }
}
