using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace NATS.NKeys;

/// <summary>
/// An X25519 key that seals to a peer and opens what the peer sealed: the "xkv1" box of NATS, which is NaCl's crypto_box
/// behind a four-letter version and a 24-byte nonce. The agreement with a peer is computed once and remembered.
/// </summary>
public sealed class CurveKeyPair : IDisposable
{
    /// <summary>How many bytes sealing adds: version, nonce and tag.</summary>
    public const int Overhead = 4 + Sodium.NonceBytes + Sodium.MacBytes;

    // A nats-server makes one key per start: a fleet fits, and a stranger who invents keys costs at most this much memory.
    private const int MaxRememberedPeers = 256;

    private readonly byte[] _privateKey;
    private readonly string _publicText;
    private readonly Dictionary<string, byte[]> _sharedKeys = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private bool _disposed;

    private CurveKeyPair(ReadOnlySpan<byte> privateKey)
    {
        _privateKey = GC.AllocateUninitializedArray<byte>(NKey.KeyBytes, pinned: true);
        privateKey.CopyTo(_privateKey);
        Span<byte> publicKey = stackalloc byte[NKey.KeyBytes];
        if (Sodium.ScalarMultBase(publicKey, privateKey) != 0)
            throw new CryptographicException("The private key has no public key.");
        _publicText = NKey.EncodePublicKey(NKeyPrefix.Curve, publicKey);
    }

    private static ReadOnlySpan<byte> Version => "xkv1"u8;

    public static bool IsSealed(ReadOnlySpan<byte> body) => body.StartsWith(Version);

    public static CurveKeyPair Create()
    {
        Span<byte> raw = stackalloc byte[NKey.KeyBytes];
        RandomNumberGenerator.Fill(raw);
        return Take(raw);
    }

    /// <exception cref="FormatException">The text is not the seed of a curve key; the message does not repeat it.</exception>
    public static CurveKeyPair FromSeed(ReadOnlySpan<char> seed)
    {
        Span<byte> raw = stackalloc byte[NKey.KeyBytes];
        if (!NKey.TryDecodeSeed(seed, out var prefix, raw, out var problem))
            throw new FormatException($"This is not a curve key seed: {problem}.");
        if (prefix != NKeyPrefix.Curve)
            throw new FormatException("This seed is of a signing key; a curve key's seed begins with SX.");
        return Take(raw);
    }

    public string GetPublicKey() => _publicText;

    public string GetSeed()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return NKey.EncodeSeed(NKeyPrefix.Curve, _privateKey);
    }

    /// <exception cref="FormatException">The recipient is not a usable public curve key.</exception>
    public byte[] Seal(ReadOnlySpan<byte> message, string recipient)
    {
        if (!TryAgree(recipient, out var sharedKey, out var problem))
            throw new FormatException($"Cannot seal to this recipient: {problem}.");

        var box = new byte[Overhead + message.Length];
        Version.CopyTo(box);
        var nonce = box.AsSpan(Version.Length, Sodium.NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        if (Sodium.BoxEasyAfterNm(box.AsSpan(Version.Length + Sodium.NonceBytes), message, (ulong)message.Length, nonce, sharedKey) != 0)
            throw new CryptographicException("The message could not be sealed.");
        return box;
    }

    public bool TryOpen(ReadOnlySpan<byte> box, string sender, [NotNullWhen(true)] out byte[]? message, out string problem)
    {
        message = null;
        if (!IsSealed(box) || box.Length < Overhead)
        {
            problem = $"a sealed message begins with xkv1 and has at least {Overhead} bytes, this has {box.Length}";
            return false;
        }

        if (!TryAgree(sender, out var sharedKey, out problem))
            return false;

        var opened = new byte[box.Length - Overhead];
        var nonce = box.Slice(Version.Length, Sodium.NonceBytes);
        var cipher = box[(Version.Length + Sodium.NonceBytes)..];
        if (Sodium.BoxOpenEasyAfterNm(opened, cipher, (ulong)cipher.Length, nonce, sharedKey) != 0)
        {
            problem = "the message was not sealed by this sender for this key, or was changed on the way";
            return false;
        }

        message = opened;
        return true;
    }

    public override string ToString() => _publicText;

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            CryptographicOperations.ZeroMemory(_privateKey);
            Forget();
        }
    }

    private bool TryAgree(string peer, [NotNullWhen(true)] out byte[]? sharedKey, out string problem)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            problem = "";
            if (_sharedKeys.TryGetValue(peer, out sharedKey))
                return true;

            Span<byte> peerKey = stackalloc byte[NKey.KeyBytes];
            if (!NKey.TryDecodePublicKey(peer, out var prefix, peerKey, out problem))
                return false;
            if (prefix != NKeyPrefix.Curve)
            {
                problem = "a curve key begins with X";
                return false;
            }

            var agreed = GC.AllocateUninitializedArray<byte>(NKey.KeyBytes, pinned: true);
            if (Sodium.BoxBeforeNm(agreed, peerKey, _privateKey) != 0)
            {
                problem = "the peer's key is a weak point";
                return false;
            }

            if (_sharedKeys.Count >= MaxRememberedPeers)
                _sharedKeys.Clear(); // not zeroed: another thread may still be sealing with one
            _sharedKeys.Add(peer, sharedKey = agreed);
            return true;
        }
    }

    private void Forget()
    {
        foreach (var sharedKey in _sharedKeys.Values)
            CryptographicOperations.ZeroMemory(sharedKey);
        _sharedKeys.Clear();
    }

    private static CurveKeyPair Take(Span<byte> raw)
    {
        try
        {
            return new CurveKeyPair(raw);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(raw);
        }
    }
}
