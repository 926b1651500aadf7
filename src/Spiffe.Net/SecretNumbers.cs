using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>
/// The private numbers of a JWK, decoded for the import and zeroed after it. They never become strings, which nobody can zero, and lie where the garbage
/// collector does not move them and so leaves no copies.
/// </summary>
internal sealed class SecretNumbers : IDisposable
{
    private readonly List<byte[]> _held = [];

    public IReadOnlyList<byte[]> Held => _held;

    /// <exception cref="FormatException">The member is missing, is no base64url text, or is longer than <paramref name="maxBytes"/>.</exception>
    public byte[] Read(JsonElement key, string member, int maxBytes)
    {
        if (!key.TryGetProperty(member, out var value) || value.ValueKind is not JsonValueKind.String) throw new FormatException();

        // With its quotation marks, as it stands in the caller's bytes. An escape is no base64url, and nobody has a reason to write one.
        var text = JsonMarshal.GetRawUtf8Value(value)[1..^1];
        if (text.IsEmpty || Base64Url.GetMaxDecodedLength(text.Length) > maxBytes + 2 || !Base64Url.IsValid(text, out var length)) throw new FormatException();
        var number = GC.AllocateUninitializedArray<byte>(length, pinned: true);
        _held.Add(number);
        return Base64Url.TryDecodeFromUtf8(text, number, out var written) && written == length ? number : throw new FormatException();
    }

    public void Dispose()
    {
        foreach (var number in _held) CryptographicOperations.ZeroMemory(number);
    }
}
