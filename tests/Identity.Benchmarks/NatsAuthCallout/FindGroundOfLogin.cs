using BenchmarkDotNet.Attributes;
using Identity.Ledger.V1;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Benchmarks.NatsAuthCallout;

/// <summary>How long does a login take to find its entries among 100,000 and its component's admission among 100,000 on ten agents?</summary>
[MemoryDiagnoser]
public class FindGroundOfLogin
{
    private const int Count = 100_000;
    private const int Agents = 10;

    private readonly Dictionary<SpiffeId, string> _floor = [];
    private readonly LiveAdmissions _live = new(TimeProvider.System);
    private readonly SpiffeId _wanted = IdOf(Count - 1);
    private ControlPlaneState _state = ControlPlaneState.Empty;

    [GlobalSetup]
    public void Fill()
    {
        var transaction = new Transaction { Author = "benchmark" };
        for (var i = 0; i < Count; i++)
        {
            _floor[IdOf(i)] = $"e{i}";
            transaction.Changes.Add(new Change
            {
                EntrySet = new Entry
                {
                    Id = $"e{i}",
                    SpiffeId = IdOf(i).ToWire(),
                    ParentId = new SPIFFEID { TrustDomain = "example.org", Path = "/hosts/local" },
                    Selectors = { new Selector { Type = "unix", Value = "uid:1" } },
                },
            });
        }

        _state = new ControlPlaneState.Fold(_state).Apply(transaction).ToState();
        var host = SpiffeId.Parse("spiffe://example.org/hosts/local");
        for (var agent = 0; agent < Agents; agent++)
        {
            var session = _live.Open(SpiffeId.Parse($"spiffe://example.org/spire/agent/join_token/{agent}"));
            session.Replace([.. Enumerable.Range(agent * Count / Agents, Count / Agents).Select(i => new ReportedAdmission($"a{i}", IdOf(i), host, "", "", 1))]);
        }
    }

    [Benchmark(Baseline = true, Description = "floor: one look into a dictionary")]
    public string Floor() => _floor[_wanted];

    [Benchmark(Description = "the entries of a SPIFFE ID")]
    public int Entries() => _state.EntriesOf(_wanted.ToWire()).Length;

    [Benchmark(Description = "the admission of a component")]
    public object? Admission() => _live.Find(_wanted, out _);

    private static SpiffeId IdOf(int number) => SpiffeId.Parse($"spiffe://example.org/components/c{number}");
}
