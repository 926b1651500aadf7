using System.Security.Cryptography;

namespace Identity.Testing.Components;

/// <summary>Writes the signatures of components by hand, well-formed or not (WebAssembly/tool-conventions, Signatures.md; lengths before sets and signatures as wasmsign2 has them).</summary>
public static class SignatureWriter
{
    /// <summary>The component with the signature of each over all of it, as one part.</summary>
    public static byte[] Sign(byte[] component, params ComponentSigner[] signers)
    {
        var hash = Hash(component[8..]);
        return WithSection(component, Data(Set([hash], [.. signers.Select(signer => Signature(signer.Sign(Message(hash))))])));
    }

    public static byte[] WithSection(byte[] component, byte[] data) => [.. component[..8], .. Section(data), .. component[8..]];

    public static byte[] Section(byte[] data) => [0, .. Counted([.. ComponentWriter.Text("signature"), .. data])];

    public static byte[] Delimiter(byte fill = 7, int size = 16) =>
        [0, .. Counted([.. ComponentWriter.Text("signature_delimiter"), .. Enumerable.Repeat(fill, size)])];

    public static byte[] Data(params byte[][] sets) => [1, 1, 1, .. ComponentWriter.Number((uint)sets.Length), .. sets.SelectMany(Counted)];

    public static byte[] Set(byte[][] hashes, params byte[][] signatures) =>
        [.. ComponentWriter.Number((uint)hashes.Length), .. hashes.SelectMany(hash => hash), .. ComponentWriter.Number((uint)signatures.Length), .. signatures.SelectMany(Counted)];

    public static byte[] Signature(byte[] signature, byte[]? keyId = null, byte algorithm = 1) => [.. Counted(keyId ?? []), algorithm, .. Counted(signature)];

    public static byte[] Message(params byte[][] hashes) => [.. "wasmsig"u8, 1, 1, 1, .. hashes.SelectMany(hash => hash)];

    public static byte[] Hash(params byte[][] parts) => SHA256.HashData([.. parts.SelectMany(part => part)]);

    public static byte[] Counted(byte[] bytes) => [.. ComponentWriter.Number((uint)bytes.Length), .. bytes];
}
