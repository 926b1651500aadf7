using BenchmarkDotNet.Attributes;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Spiffe.Net;

namespace Identity.Benchmarks.DecisionPoints;

/// <summary>What does it cost to remember a workload before a door of wasmCloud v2 answers, alone and when 32 wait together, beside the write it cannot do without?</summary>
[MemoryDiagnoser]
#pragma warning disable CA1001 // Close, which the runner calls, disposes of all.
public class AllowWorkload
#pragma warning restore CA1001
{
    private const int Together = 32;

    // Round and round: each time it asks for something else, so that it is written.
    private const int Workloads = 10_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("workload-bench-").FullName;
    private readonly List<Question>[] _questions = [Questions("config a"), Questions("config b")];
    private readonly byte[] _row = new byte[200];

    private WorkloadStore _store = null!;
    private AllowedWorkloads _workloads = null!;
    private SqliteConnection _connection = null!;
    private SqliteCommand _insert = null!;
    private SafeFileHandle _file = null!;
    private long _position;
    private int _next;

    [GlobalSetup]
    public void Open()
    {
        _store = WorkloadStore.Open(_folder, TimeProvider.System, NullLogger<WorkloadStore>.Instance);
        _workloads = new AllowedWorkloads(
            new AllowedWorkloadsOptions(DoorName.KubernetesAdmission, IsProven: true, TimeSpan.FromDays(30), HearsEnds: true) { MaxCountOfOne = 2 * Workloads }, new StageObservations(), TimeProvider.System, _store);
        _workloads.AllowAsync("shop/Workload/same", "shop", "workload 'shop/same'", _questions[0]).GetAwaiter().GetResult();
        _file = File.OpenHandle(Path.Combine(_folder, "bare"), FileMode.Create, FileAccess.Write);
        _connection = Connect(Path.Combine(_folder, "bare.db"));
        using var create = _connection.CreateCommand();
        create.CommandText = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE rows (number INTEGER PRIMARY KEY, row BLOB NOT NULL)";
        create.ExecuteNonQuery();
        _insert = _connection.CreateCommand();
        _insert.CommandText = "INSERT OR REPLACE INTO rows VALUES ($number, $row)";
        _insert.Parameters.AddWithValue("$number", 0);
        _insert.Parameters.AddWithValue("$row", _row);
    }

    [GlobalCleanup]
    public void Close()
    {
        _store.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _insert.Dispose();
        _connection.Dispose();
        _file.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true, Description = "a row of that size: bare SQLite insert")]
    public void BareInsert()
    {
        _insert.Parameters[0].Value = _next++ % Workloads;
        _insert.ExecuteNonQuery();
    }

    [Benchmark(Description = "as many bytes: write + fsync")]
    public void BareWrite()
    {
        RandomAccess.Write(_file, _row, _position);
        _position += _row.Length;
        RandomAccess.FlushToDisk(_file);
    }

    [Benchmark(Description = "remember one")]
    public Task<bool> AllowOne() => AllowNextAsync();

    [Benchmark(Description = "remember, 32 waiting together", OperationsPerInvoke = Together)]
    public Task AllowTogether() => Task.WhenAll(Enumerable.Range(0, Together).Select(_ => AllowNextAsync()));

    [Benchmark(Description = "an update that changes nothing")]
    public Task<bool> AllowTheSame() => _workloads.AllowAsync("shop/Workload/same", "shop", "workload 'shop/same'", _questions[0]);

    private Task<bool> AllowNextAsync()
    {
        var (round, at) = Math.DivRem(_next++, Workloads);
        return _workloads.AllowAsync($"shop/Workload/w-{at}", "shop", $"workload 'shop/w-{at}'", _questions[round % 2]);
    }

    private static SqliteConnection Connect(string path)
    {
        var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        return connection;
    }

    private static List<Question> Questions(string config) =>
    [
        new(
            new Principal { Id = SpiffeId.Parse("spiffe://example.org/ns/shop/component/cart"), Namespace = "shop" },
            [new CapabilityRequest.Start(), CapabilityRequest.Parse("import wasi:keyvalue/store@0.2.0"), CapabilityRequest.Parse(config)]),
    ];
}
