// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Google.Protobuf;
using Grpc.Core;
using Identity.Tests.Server.Registration;
using Spire.Api.Server.Bundle.V1;
using Spire.Api.Server.Entry.V1;
using Spire.Api.Types;
using BundleClient = Spire.Api.Server.Bundle.V1.Bundle.BundleClient;
using DeleteMode = Spire.Api.Server.Bundle.V1.BatchDeleteFederatedBundleRequest.Types.Mode;
using EntryClient = Spire.Api.Server.Entry.V1.Entry.EntryClient;
using Wire = Spire.Api.Types.Bundle;

namespace Identity.Tests.Server.Bundles;

public sealed class FederatedBundlesTests : IAsyncLifetime
{
    private RegistryServer _server = null!;
    private BundleClient _bundles = null!;
    private EntryClient _entries = null!;

    public static TheoryData<string, StatusCode, Action<Wire>> Refused => new()
    {
        { "own trust domain", StatusCode.InvalidArgument, b => b.TrustDomain = "example.org" },
        { "own trust domain", StatusCode.InvalidArgument, b => b.TrustDomain = "spiffe://example.org" },
        { "trust domain", StatusCode.InvalidArgument, b => b.TrustDomain = "" },
        { "trust domain", StatusCode.InvalidArgument, b => b.TrustDomain = "Other.test" },
        { "trust domain", StatusCode.InvalidArgument, b => b.TrustDomain = "spiffe://other.test/path" },
        { "X.509 authority 1", StatusCode.InvalidArgument, b => b.X509Authorities[0].Asn1 = ByteString.CopyFromUtf8("nonsense") },
        { "X.509 authority 1", StatusCode.InvalidArgument, b => b.X509Authorities[0].Asn1 = ByteString.CopyFrom([.. b.X509Authorities[0].Asn1, 0]) },
        { "more than 256", StatusCode.InvalidArgument, b => b.X509Authorities.AddRange(Enumerable.Repeat(b.X509Authorities[0], 256)) },
        { "", StatusCode.InvalidArgument, b => b.JwtAuthorities[0].PublicKey = ByteString.CopyFromUtf8("nonsense") },
        { "key ID", StatusCode.InvalidArgument, b => b.JwtAuthorities[0].KeyId = "" },
        { "two JWT or WIT keys", StatusCode.InvalidArgument, b => b.JwtAuthorities.Add(b.JwtAuthorities[0].Clone()) },
        { "", StatusCode.InvalidArgument, b => b.WitAuthorities.Add(new WITKey { KeyId = "w", PublicKey = ByteString.CopyFromUtf8("nonsense") }) },
        { "expires_at", StatusCode.InvalidArgument, b => b.JwtAuthorities[0].ExpiresAt = -1 },
        { "refresh_hint", StatusCode.InvalidArgument, b => b.RefreshHint = -1 },
        { "refresh_hint", StatusCode.InvalidArgument, b => b.RefreshHint = long.MaxValue },
    };

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _bundles = new BundleClient(_server.Admin);
        _entries = new EntryClient(_server.Admin);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public async Task Refuses_a_bundle_and_names_what_is_wrong(string expected, StatusCode code, Action<Wire> spoil)
    {
        var bundle = TestBundles.Of("other.test");
        spoil(bundle);

        var status = await SetAsync(bundle);

        Assert.Equal((int)code, status.Code);
        Assert.Contains(expected, status.Message, StringComparison.Ordinal);
        Assert.Empty(_server.Ledger.State.FederatedBundles);
    }

    [Fact]
    public async Task Creates_once_updates_what_is_there_and_sets_either_way()
    {
        var bundle = TestBundles.Of("other.test");

        Assert.Equal(StatusCode.NotFound, await UpdateAsync(bundle));
        Assert.Equal(StatusCode.OK, await CreateAsync(bundle));
        Assert.Equal(StatusCode.AlreadyExists, await CreateAsync(bundle));
        var revision = _server.Ledger.State.Revision;
        Assert.Equal(0, (await SetAsync(bundle)).Code);
        Assert.Equal(revision, _server.Ledger.State.Revision);
        Assert.Equal(StatusCode.OK, await UpdateAsync(TestBundles.Of("other.test", sequence: 2)));
        Assert.Equal(2ul, (await GetAsync("other.test")).SequenceNumber);
        Assert.Equal(0, (await SetAsync(TestBundles.Of("third.test"))).Code);
        Assert.Equal(3, (await _bundles.CountBundlesAsync(new CountBundlesRequest())).Count);
    }

    [Fact]
    public async Task Refuses_some_items_of_a_batch_and_takes_the_others()
    {
        var request = new BatchCreateFederatedBundleRequest { Bundle = { TestBundles.Of("a.test"), TestBundles.Of("a.test"), TestBundles.Of("example.org"), TestBundles.Of("b.test") } };

        var results = (await _bundles.BatchCreateFederatedBundleAsync(request)).Results;

        Assert.Equal([StatusCode.OK, StatusCode.AlreadyExists, StatusCode.InvalidArgument, StatusCode.OK], results.Select(r => (StatusCode)r.Status.Code));
        Assert.Equal(["a.test", "b.test"], _server.Ledger.State.FederatedBundles.Keys);
        Assert.Null(results[1].Bundle);
    }

    [Fact]
    public async Task Changes_only_the_masked_fields_and_shows_only_those_asked_for()
    {
        var bundle = TestBundles.Of("other.test");
        await SetAsync(bundle);
        var update = TestBundles.Of("other.test", sequence: 9);

        var result = Assert.Single((await _bundles.BatchUpdateFederatedBundleAsync(new()
        {
            Bundle = { update },
            InputMask = new BundleMask { SequenceNumber = true },
            OutputMask = new BundleMask { JwtAuthorities = true },
        })).Results);
        var stored = await GetAsync("spiffe://other.test");

        Assert.Equal(9ul, stored.SequenceNumber);
        Assert.Equal(bundle.X509Authorities, stored.X509Authorities);
        Assert.Equal(bundle.JwtAuthorities, stored.JwtAuthorities);
        Assert.Equal(
            ("other.test", 0, 1, 0ul, 0L),
            (result.Bundle.TrustDomain, result.Bundle.X509Authorities.Count, result.Bundle.JwtAuthorities.Count, result.Bundle.SequenceNumber, result.Bundle.RefreshHint));
    }

    [Fact]
    public async Task Lists_pages_that_together_are_everything_once_and_never_the_own_bundle()
    {
        var names = Enumerable.Range(0, 7).Select(n => $"td{n}.test").ToList();
        foreach (var name in names) await SetAsync(TestBundles.Of(name));

        var first = await _bundles.ListFederatedBundlesAsync(new() { PageSize = 5 });
        var rest = await _bundles.ListFederatedBundlesAsync(new() { PageSize = 5, PageToken = first.NextPageToken });

        Assert.Equal(names, [.. first.Bundles.Select(b => b.TrustDomain), .. rest.Bundles.Select(b => b.TrustDomain)]);
        Assert.Empty(rest.NextPageToken);
    }

    [Theory]
    [InlineData("nobody.test", StatusCode.NotFound)]
    [InlineData("example.org", StatusCode.InvalidArgument)]
    [InlineData("not a name", StatusCode.InvalidArgument)]
    public async Task Finds_no_federated_bundle_of_a_stranger_of_itself_or_of_nonsense(string name, StatusCode expected)
    {
        var refusal = await Assert.ThrowsAsync<RpcException>(() => GetAsync(name));

        Assert.Equal(expected, refusal.StatusCode);
    }

    [Fact]
    public async Task Refuses_a_batch_that_is_too_large()
    {
        var request = new BatchSetFederatedBundleRequest();
        request.Bundle.AddRange(Enumerable.Range(0, 501).Select(n => new Wire { TrustDomain = $"td{n}.test" }));

        var refusal = await Assert.ThrowsAsync<RpcException>(() => _bundles.BatchSetFederatedBundleAsync(request).ResponseAsync);

        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
    }

    [Fact]
    public async Task Refuses_an_entry_that_federates_with_an_unknown_trust_domain_until_its_bundle_is_set()
    {
        var entry = Federating("other.test");

        Assert.Equal(StatusCode.FailedPrecondition, (await CreateEntryAsync(entry)).Code);
        await SetAsync(TestBundles.Of("other.test"));
        var created = await CreateEntryAsync(entry);

        Assert.Equal(StatusCode.OK, created.Code);
        Assert.Equal(["other.test"], _server.Ledger.State.Entries[created.Id].FederatesWith);
        var update = _server.Ledger.State.Entries[created.Id].Clone();
        update.FederatesWith.Add("third.test");
        var refused = Assert.Single((await _entries.BatchUpdateEntryAsync(new() { Entries = { update } })).Results);
        Assert.Equal(StatusCode.FailedPrecondition, (StatusCode)refused.Status.Code);
        Assert.Contains("third.test", refused.Status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keeps_a_bundle_that_entries_federate_with_unless_told_what_becomes_of_them()
    {
        await SetAsync(TestBundles.Of("other.test"));
        await CreateEntryAsync(Federating("other.test"));

        var (code, message) = await DeleteAsync(DeleteMode.Restrict, "other.test");

        Assert.Equal(StatusCode.FailedPrecondition, code);
        Assert.Contains("1 entries federate with other.test", message, StringComparison.Ordinal);
        Assert.Single(_server.Ledger.State.FederatedBundles);
    }

    [Fact]
    public async Task Deletes_a_bundle_and_the_entries_that_federate_with_it()
    {
        await SetAsync(TestBundles.Of("other.test"));
        await CreateEntryAsync(Federating("other.test"));
        var kept = await CreateEntryAsync(TestEntries.Greeter());

        Assert.Equal(StatusCode.OK, (await DeleteAsync(DeleteMode.Delete, "other.test")).Code);

        Assert.Equal([kept.Id], _server.Ledger.State.Entries.Keys);
        Assert.Empty(_server.Ledger.State.FederatedBundles);
    }

    [Fact]
    public async Task Deletes_bundles_and_dissociates_the_entries_from_all_of_them()
    {
        await SetAsync(TestBundles.Of("other.test"));
        await SetAsync(TestBundles.Of("third.test"));
        await SetAsync(TestBundles.Of("kept.test"));
        var (_, id) = await CreateEntryAsync(Federating("other.test", "third.test", "kept.test"));

        var request = new BatchDeleteFederatedBundleRequest { TrustDomains = { "other.test", "third.test", "other.test", "nobody.test" }, Mode = DeleteMode.Dissociate };
        var results = (await _bundles.BatchDeleteFederatedBundleAsync(request)).Results;

        Assert.Equal([StatusCode.OK, StatusCode.OK, StatusCode.NotFound, StatusCode.NotFound], results.Select(r => (StatusCode)r.Status.Code));
        var entry = _server.Ledger.State.Entries[id];
        Assert.Equal(["kept.test"], entry.FederatesWith);
        Assert.True(entry.RevisionNumber > 0);
        Assert.Equal(["kept.test"], _server.Ledger.State.FederatedBundles.Keys);
    }

    [Fact]
    public async Task Knows_its_bundles_after_a_restart()
    {
        var bundle = TestBundles.Of("other.test");
        await SetAsync(bundle);

        Assert.Contains(
            _server.Ledger.ListTransactions(1)[0].Transaction.Changes,
            change => change.FederatedBundleSet.Equals(bundle));
    }

    private static Spire.Api.Types.Entry Federating(params string[] names)
    {
        var entry = TestEntries.Host();
        entry.FederatesWith.AddRange(names);
        return entry;
    }

    private async Task<Spire.Api.Types.Status> SetAsync(Wire bundle) =>
        Assert.Single((await _bundles.BatchSetFederatedBundleAsync(new() { Bundle = { bundle } })).Results).Status;

    private async Task<StatusCode> CreateAsync(Wire bundle) =>
        (StatusCode)Assert.Single((await _bundles.BatchCreateFederatedBundleAsync(new() { Bundle = { bundle } })).Results).Status.Code;

    private async Task<StatusCode> UpdateAsync(Wire bundle) =>
        (StatusCode)Assert.Single((await _bundles.BatchUpdateFederatedBundleAsync(new() { Bundle = { bundle } })).Results).Status.Code;

    private async Task<Wire> GetAsync(string name) => await _bundles.GetFederatedBundleAsync(new() { TrustDomain = name });

    private async Task<(StatusCode Code, string Message)> DeleteAsync(DeleteMode mode, string name)
    {
        var status = Assert.Single((await _bundles.BatchDeleteFederatedBundleAsync(new() { TrustDomains = { name }, Mode = mode })).Results).Status;
        return ((StatusCode)status.Code, status.Message);
    }

    private async Task<(StatusCode Code, string Id)> CreateEntryAsync(Spire.Api.Types.Entry entry)
    {
        var result = Assert.Single((await _entries.BatchCreateEntryAsync(new() { Entries = { entry } })).Results);
        return ((StatusCode)result.Status.Code, result.Entry?.Id ?? "");
    }
}
