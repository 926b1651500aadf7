using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Identity.Server.Authority;

/// <summary>
/// Seals the private files of this process with AES-256-GCM. A sealed file is a PEM block: version, id of the key, nonce, tag, ciphertext; the
/// version, the id and the file's name are authenticated with it, so one sealed file cannot stand in for another.
/// </summary>
internal sealed class KeyEncryptionKey : IDisposable
{
    /// <summary>Bytes. It is a key, not a passphrase: nothing slows down guessing, so it must be random.</summary>
    public const int Length = 32;

    private const string Label = "IDENTITYD SEALED SECRET";
    private const byte Version = 1;
    private const int IdLength = 8;
    private const int NonceLength = 12;
    private const int TagLength = 16;
    private const int HeaderLength = 1 + IdLength + NonceLength + TagLength;

    private readonly Lock _lock = new();
    private readonly AesGcm _cipher;
    private readonly byte[] _id;

    private KeyEncryptionKey(ReadOnlySpan<byte> key)
    {
        // Domain separated and cut, so it tells keys apart and nothing about them.
        _id = HMACSHA256.HashData(key, "identityd key encryption key id"u8)[..IdLength];
        _cipher = new AesGcm(key, TagLength);
    }

    /// <summary>16 hexadecimal digits; not secret.</summary>
    public string Id => Convert.ToHexStringLower(_id);

    /// <param name="text">Base64 of 32 bytes, as <c>openssl rand -base64 32</c> prints it; space around it does not count.</param>
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out KeyEncryptionKey? key)
    {
        Span<byte> bytes = stackalloc byte[Length + 1];
        text = text.Trim();
        key = text.Length == 44 && Convert.TryFromBase64Chars(text, bytes, out var written) && written == Length ? new KeyEncryptionKey(bytes[..Length]) : null;
        CryptographicOperations.ZeroMemory(bytes);
        return key is not null;
    }

    public static bool IsSealed(ReadOnlySpan<byte> file) => TryDecode(file, out _);

    /// <summary>The <see cref="Id"/> of the key that a file is sealed with; null when it is not sealed.</summary>
    public static string? IdOf(ReadOnlySpan<byte> file) => TryDecode(file, out var sealedSecret) ? Convert.ToHexStringLower(sealedSecret.AsSpan(1, IdLength)) : null;

    /// <param name="name">Of the file; it opens under this name only.</param>
    public byte[] Seal(string name, ReadOnlySpan<byte> secret)
    {
        var all = new byte[HeaderLength + secret.Length];
        all[0] = Version;
        _id.CopyTo(all, 1);

        // Random: a handful of files, rewritten rarely, is far from the 2^32 that 96 random bits allow under one key (SP 800-38D §8.3).
        var nonce = all.AsSpan(1 + IdLength, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        lock (_lock)
        {
            _cipher.Encrypt(nonce, secret, all.AsSpan(HeaderLength), all.AsSpan(1 + IdLength + NonceLength, TagLength), Authenticated(name));
        }
        return Encoding.ASCII.GetBytes(PemEncoding.WriteString(Label, all) + "\n");
    }

    /// <summary>False when the file was sealed with another key, under another name, or was changed. Zero the bytes after use.</summary>
    public bool TryOpen(string name, ReadOnlySpan<byte> file, [NotNullWhen(true)] out byte[]? secret)
    {
        secret = null;
        if (!TryDecode(file, out var all) || !all.AsSpan(1, IdLength).SequenceEqual(_id))
        {
            return false;
        }
        var opened = new byte[all.Length - HeaderLength];
        try
        {
            lock (_lock)
            {
                _cipher.Decrypt(
                    all.AsSpan(1 + IdLength, NonceLength), all.AsSpan(HeaderLength), all.AsSpan(1 + IdLength + NonceLength, TagLength), opened, Authenticated(name));
            }
            secret = opened;
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            CryptographicOperations.ZeroMemory(opened);
            return false;
        }
    }

    public void Dispose() => _cipher.Dispose();

    private byte[] Authenticated(string name) => [Version, .. _id, .. Encoding.UTF8.GetBytes(name)];

    private static bool TryDecode(ReadOnlySpan<byte> file, [NotNullWhen(true)] out byte[]? sealedSecret)
    {
        sealedSecret = null;
        if (!file.StartsWith("-----BEGIN IDENTITYD SEALED SECRET-----"u8))
        {
            return false;
        }
        var text = Encoding.ASCII.GetString(file);
        if (!PemEncoding.TryFind(text, out var found) || text.AsSpan()[found.Label] is not Label || found.DecodedDataLength < HeaderLength)
        {
            return false;
        }
        var bytes = new byte[found.DecodedDataLength];
        if (!Convert.TryFromBase64Chars(text.AsSpan()[found.Base64Data], bytes, out _) || bytes[0] != Version)
        {
            return false;
        }
        sealedSecret = bytes;
        return true;
    }
}
