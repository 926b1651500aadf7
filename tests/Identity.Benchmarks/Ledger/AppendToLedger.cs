using BenchmarkDotNet.Attributes;
using Google.Protobuf;
using Identity.Server.Ledger;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Intent = Identity.Ledger.V1.Issuance;

namespace Identity.Benchmarks.Ledger;

/// <summary>What does a durable record cost beside the fsync it cannot do without, alone and when 64 wait together?</summary>
[MemoryDiagnoser]
public class AppendToLedger
{
    private const int Together = 64;

    private readonly string _folder = Directory.CreateTempSubdirectory("ledger-bench-").FullName;
    private readonly Intent _intent = new()
    {
        SpiffeId = "spiffe://example.org/components/greeter",
        SerialOrJti = "0123456789abcdef0123456789abcdef",
        KeyHash = ByteString.CopyFrom(new byte[32]),
        Requester = "spiffe://example.org/spire/agent/join_token/0123456789abcdef0123456789abcdef",
        EntryId = "0123456789abcdef0123456789abcdef",
    };

    private ControlPlaneLedger _ledger = null!;
    private SafeFileHandle _file = null!;
    private byte[] _bytes = null!;
    private long _position;

    [GlobalSetup]
    public void Open()
    {
        _ledger = ControlPlaneLedger.OpenAsync(
            Path.Combine(_folder, "data"), TimeProvider.System, NullLogger<ControlPlaneLedger>.Instance).GetAwaiter().GetResult();
        _file = File.OpenHandle(Path.Combine(_folder, "bare"), FileMode.Create, FileAccess.Write);
        _bytes = _intent.ToByteArray();
    }

    [GlobalCleanup]
    public void Close()
    {
        _ledger.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _file.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true, Description = "the same bytes: write + fsync")]
    public void BareWrite()
    {
        RandomAccess.Write(_file, _bytes, _position);
        _position += _bytes.Length;
        RandomAccess.FlushToDisk(_file);
    }

    [Benchmark(Description = "record one")]
    public Task RecordOne() => _ledger.RecordIssuanceAsync(_intent, CancellationToken.None);

    [Benchmark(Description = "record, 64 waiting together", OperationsPerInvoke = Together)]
    public Task RecordTogether() => Task.WhenAll(Enumerable.Range(0, Together).Select(_ => _ledger.RecordIssuanceAsync(_intent, CancellationToken.None)));
}
