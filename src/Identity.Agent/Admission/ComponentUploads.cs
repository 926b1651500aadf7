using System.Buffers;
using Grpc.Core;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Agent.Admission;

/// <summary>Takes a component's bytes, hashes them and reads what they import and who may have signed them. At most as many at a time as there are places, so at most 128 MiB are held.</summary>
internal sealed class ComponentUploads(TimeProvider time) : IDisposable
{
    public const int MaxChunkBytes = 256 << 10;

    private const int MaxNameLength = 128;
    private const int MaxCalls = 16;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    // Of one host, some 0.1 ms each: twenty seconds at once, then a twentieth of a processor.
    private const int VerificationsAtOnce = 200_000;
    private const int MaxHosts = 10_000;
    private static readonly TimeSpan EachVerification = TimeSpan.FromMilliseconds(2);

    private readonly UploadPlaces _places = new();
    private readonly TokenBuckets<SpiffeId> _verifications = new(time, VerificationsAtOnce, EachVerification, MaxHosts);

    /// <summary>Reads one header and its chunks to the end of the host's side; throws InvalidArgument for anything else.</summary>
    public async Task<UploadedComponent> ReceiveAsync(IAsyncStreamReader<V1.AdmitRequest> requests, SpiffeId host, CancellationToken cancellation)
    {
        using var tooLate = new CancellationTokenSource(Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, tooLate.Token);
        try
        {
            var header = await ReadHeaderAsync(requests, either.Token);
            var calls = ReadCalls(header);
            using var place = await _places.TakeAsync(host, either.Token);
            return Read(host, header.Name, await ReadBytesAsync(requests, (int)header.Size, either.Token)) with { Calls = calls };
        }
        catch (OperationCanceledException) when (tooLate.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"the component did not arrive within {Deadline.TotalSeconds:0} s"));
        }
    }

    public void Dispose() => _places.Dispose();

    private static async Task<V1.AdmitHeader> ReadHeaderAsync(IAsyncStreamReader<V1.AdmitRequest> requests, CancellationToken cancellation)
    {
        if (!await requests.MoveNext(cancellation) || requests.Current.Header is not { } header)
            throw Invalid("the first message must be a header");
        if (header.Name.Length is 0 or > MaxNameLength || header.Name.AsSpan().ContainsAnyExcept(NameCharacters))
            throw Invalid($"the component's name must be 1 to {MaxNameLength} characters of a-z, 0-9 and '-'");
        return header.Size is > 0 and <= ComponentReader.MaxComponentSize
            ? header
            : throw Invalid($"the component's size is {header.Size} bytes; expected 1 to {ComponentReader.MaxComponentSize}");
    }

    private static List<CapabilityRequest.Export> ReadCalls(V1.AdmitHeader header)
    {
        if (header.Calls.Count > MaxCalls) throw Invalid($"the host names {header.Calls.Count} exports that it would call; at most {MaxCalls} are taken");
        var calls = new List<CapabilityRequest.Export>(header.Calls.Count);
        foreach (var text in header.Calls)
        {
            if (!CapabilityRequest.TryParse("export", text, out var request, out var problem)) throw Invalid($"calls: {problem}");
            calls.Add(request is CapabilityRequest.Export { Function: not null } call ? call : throw Invalid("calls: an export that is called is a function, such as #run"));
        }

        return calls;
    }

    private static async Task<byte[]> ReadBytesAsync(IAsyncStreamReader<V1.AdmitRequest> requests, int size, CancellationToken cancellation)
    {
        var bytes = new byte[size];
        var received = 0;
        while (await requests.MoveNext(cancellation))
        {
            if (requests.Current.MessageCase is not V1.AdmitRequest.MessageOneofCase.Chunk) throw Invalid("after the header only chunks may follow");
            var chunk = requests.Current.Chunk;
            if (chunk.Length is 0 or > MaxChunkBytes) throw Invalid($"a chunk has {chunk.Length} bytes; expected 1 to {MaxChunkBytes}");
            if (chunk.Length > size - received) throw Invalid($"more than the {size} bytes arrived that the header announced");
            chunk.Span.CopyTo(bytes.AsSpan(received));
            received += chunk.Length;
        }

        return received == size ? bytes : throw Invalid($"{received} bytes arrived, but the header announced {size}");
    }

    private UploadedComponent Read(SpiffeId host, string name, byte[] bytes) =>
        ComponentReader.TryRead(bytes, out var imports, out var problem)
            ? new UploadedComponent(host, name, ComponentDigest.Of(bytes), imports)
            {
                Signers = new VerifiedSigners(ComponentSignatures.Read(bytes), Ed25519Signatures.Verify, count => _verifications.TryTake(host, count)),
            }
            : throw Invalid($"'{name}' is not a component: {problem}");

    private static RpcException Invalid(string problem) => new(new Status(StatusCode.InvalidArgument, problem));
}
