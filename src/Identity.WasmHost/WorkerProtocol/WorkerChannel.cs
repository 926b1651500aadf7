using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Identity.WasmHost.WorkerProtocol;

/// <summary>
/// Messages over a pair of pipes: four bytes of length, little-endian, then JSON. Either end closing its pipe ends the other's reading.
/// A frame over <paramref name="maxIncoming"/> bytes, or one that is no message, is a fault: the peer is broken or hostile.
/// </summary>
internal sealed class WorkerChannel(Stream input, Stream output, int maxIncoming) : IDisposable
{
    /// <summary>Worker to supervisor: the worker counts as compromised, so little is read from it.</summary>
    public const int MaxFromWorker = 64 << 10;

    /// <summary>Supervisor to worker: a component of 32 MiB in base64, and room.</summary>
    public const int MaxFromSupervisor = 48 << 20;

    private readonly SemaphoreSlim sending = new(1, 1);

    public async Task SendAsync(WorkerMessage message, CancellationToken cancellation)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(message, WorkerJson.Default.WorkerMessage);
        var length = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, body.Length);
        await sending.WaitAsync(cancellation);
        try
        {
            await output.WriteAsync(length, cancellation);
            await output.WriteAsync(body, cancellation);
            await output.FlushAsync(cancellation);
        }
        finally
        {
            sending.Release();
        }
    }

    public async IAsyncEnumerable<WorkerMessage> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        var prefix = new byte[sizeof(int)];
        while (await input.ReadAtLeastAsync(prefix, prefix.Length, throwOnEndOfStream: false, cancellation) == prefix.Length)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(prefix);
            if (length is <= 0 || length > maxIncoming)
                throw new InvalidDataException($"a frame of {length} bytes; expected 1 to {maxIncoming}");
            var body = new byte[length];
            await input.ReadExactlyAsync(body, cancellation);
            yield return Parse(body);
        }
    }

    public void Dispose()
    {
        sending.Dispose();
        input.Dispose();
        output.Dispose();
    }

    private static WorkerMessage Parse(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, WorkerJson.Default.WorkerMessage) ?? throw new InvalidDataException("a null message");
        }
        catch (JsonException)
        {
            // The exception's text quotes what the peer sent.
            throw new InvalidDataException("a frame that is no message");
        }
    }
}
