using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Identity.Server.Ledger;

/// <summary>
/// Each record's hash covers its number, its bytes and the hash before it: SHA-256(previous ‖ number, 8 bytes big-endian ‖ payload).
/// A value: copying it keeps a position to return to.
/// </summary>
internal readonly struct HashChain
{
    private readonly byte[] _tail;

    private HashChain(ulong number, byte[] tail)
    {
        Number = number;
        _tail = tail;
    }

    /// <summary>The number of the last record; 0 when there is none.</summary>
    public ulong Number { get; }

    public ReadOnlySpan<byte> Tail => _tail;

    /// <summary>An empty chain. Its name starts it, so that no record of one table can be moved to another.</summary>
    public static HashChain Start(string name) => new(0, SHA256.HashData(Encoding.UTF8.GetBytes("identity.ledger.v1/" + name)));

    public HashChain Next(ReadOnlySpan<byte> payload)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(number, Number + 1);
        hash.AppendData(_tail);
        hash.AppendData(number);
        hash.AppendData(payload);
        return new HashChain(Number + 1, hash.GetHashAndReset());
    }

    public byte[] TailToArray() => [.. _tail];
}
