using System.Buffers.Text;
using NSec.Cryptography;

namespace Identity.Testing.Components;

/// <summary>Somebody with an Ed25519 key who signs components.</summary>
public sealed class ComponentSigner : IDisposable
{
    private readonly Key _key = Key.Create(SignatureAlgorithm.Ed25519, new KeyCreationParameters { ExportPolicy = KeyExportPolicies.AllowPlaintextExport });

    /// <summary>As a policy names the signer.</summary>
    public string Name => "ed25519:" + Base64Url.EncodeToString(PublicKey);

    public byte[] PublicKey => _key.PublicKey.Export(KeyBlobFormat.RawPublicKey);

    /// <summary>The private key as <c>openssl genpkey</c> writes it.</summary>
    public byte[] Pem => _key.Export(KeyBlobFormat.PkixPrivateKeyText);

    public byte[] PublicPem => _key.PublicKey.Export(KeyBlobFormat.PkixPublicKeyText);

    public byte[] Sign(byte[] message) => SignatureAlgorithm.Ed25519.Sign(_key, message);

    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        NSec.Cryptography.PublicKey.TryImport(SignatureAlgorithm.Ed25519, publicKey, KeyBlobFormat.RawPublicKey, out var key)
        && SignatureAlgorithm.Ed25519.Verify(key!, message, signature);

    public void Dispose() => _key.Dispose();
}
