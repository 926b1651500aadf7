// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Grpc.Core;
using Identity.V1;

namespace Identity.Tests.Server.Administration;

public sealed class ControlServiceTests : IAsyncLifetime
{
    private RegistryServer _server = null!;
    private Control.ControlClient _control = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _control = new Control.ControlClient(_server.Admin);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Counts_what_it_knows()
    {
        await _server.AttestAsync();

        var status = await _control.GetStatusAsync(new GetStatusRequest());

        Assert.Equal(("example.org", 1, 1, 0), (status.TrustDomain, status.Entries, status.AgentsAttested, status.LiveAdmissions));
        Assert.Equal(_server.Ledger.State.Revision, status.Revision);
        Assert.True(status.IssuedCredentials >= 2);
        Assert.True(status.X509AuthorityExpiresAt.ToDateTimeOffset() > _server.Time.GetUtcNow());
        Assert.True(status.JwtAuthorityExpiresAt.ToDateTimeOffset() > _server.Time.GetUtcNow());
    }

    [Fact]
    public async Task Finds_its_ledger_intact_up_to_the_newest_revision()
    {
        var verification = await _control.VerifyLedgerAsync(new VerifyLedgerRequest());

        Assert.True(verification.Intact, verification.Problem);
        Assert.Equal(_server.Ledger.State.Revision, verification.Revision);
    }

    [Fact]
    public async Task Lists_the_newest_transactions_first_without_tokens_or_their_hashes()
    {
        var token = await _server.CreateTokenAsync();
        var hash = _server.Ledger.State.JoinTokens.Keys.Single();

        var listed = await _control.ListTransactionsAsync(new ListTransactionsRequest { Limit = 2 });

        Assert.Equal(_server.Ledger.State.Revision, listed.Transactions[0].Revision);
        Assert.Equal("create join token", listed.Transactions[0].Reason);
        Assert.DoesNotContain(token, listed.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(hash, listed.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1001)]
    public async Task Refuses_a_limit_that_is_out_of_bounds(int limit)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(
            async () => await _control.ListTransactionsAsync(new ListTransactionsRequest { Limit = limit }));

        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
    }
}
