using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Identity.Tests.Server.Registration;
using Identity.Tests.SpiffeNet;
using Identity.V1;
using Spiffe.Net;
using Spire.Api.Server.Bundle.V1;
using Spire.Api.Server.Entry.V1;
using Xunit;
using EntryClient = Spire.Api.Server.Entry.V1.Entry.EntryClient;

namespace Identity.Tests.Server.SvidSigning;

public sealed class WitSigningServiceTests
{
    private static readonly byte[] Jwk = WitForge.KeyOf(ECDsa.Create(ECCurve.NamedCurves.nistP256)).ToJwk();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Signs_for_an_entry_below_the_agent_and_for_no_other()
    {
        await using var server = await RegistryServer.StartAsync(("wit-svid", "true"));
        var agent = await server.AttestAsync();
        var entryId = await CreateAsync(server);
        var client = new WitSigning.WitSigningClient(agent.Invoker);
        var svid = (await client.NewWitSvidAsync(new NewWitSvidRequest { EntryId = entryId, Jwk = ByteString.CopyFrom(Jwk) }, cancellationToken: Cancellation)).Svid;
        Assert.Equal("/hosts/local", svid.Id.Path);
        Assert.Equal(3600, svid.ExpiresAt - svid.IssuedAt);
        Assert.True(WitSvid.TryParseUnverified(svid.Token, out var read, out var problem), problem);
        var bundle = await new Bundle.BundleClient(server.Anonymous).GetBundleAsync(new GetBundleRequest(), cancellationToken: Cancellation);
        Assert.Equal(Assert.Single(bundle.WitAuthorities).KeyId, read.KeyId);

        Assert.Equal(StatusCode.NotFound, await RefusalAsync(client, new NewWitSvidRequest { EntryId = "another", Jwk = ByteString.CopyFrom(Jwk) }));
        Assert.Equal(StatusCode.InvalidArgument, await RefusalAsync(client, new NewWitSvidRequest { EntryId = entryId, Jwk = ByteString.CopyFromUtf8("{}") }));
        Assert.Equal(
            StatusCode.PermissionDenied,
            await RefusalAsync(new WitSigning.WitSigningClient(server.Admin), new NewWitSvidRequest { EntryId = entryId, Jwk = ByteString.CopyFrom(Jwk) }));
    }

    [Fact]
    public async Task Says_unimplemented_and_publishes_no_key_unless_turned_on()
    {
        await using var server = await RegistryServer.StartAsync();
        var agent = await server.AttestAsync();
        var entryId = await CreateAsync(server);
        var client = new WitSigning.WitSigningClient(agent.Invoker);
        Assert.Equal(StatusCode.Unimplemented, await RefusalAsync(client, new NewWitSvidRequest { EntryId = entryId, Jwk = ByteString.CopyFrom(Jwk) }));
        var bundle = await new Bundle.BundleClient(server.Anonymous).GetBundleAsync(new GetBundleRequest(), cancellationToken: Cancellation);
        Assert.Empty(bundle.WitAuthorities);
        Assert.NotEmpty(bundle.JwtAuthorities);
    }

    private static async Task<string> CreateAsync(RegistryServer server)
    {
        var answer = await new EntryClient(server.Admin).BatchCreateEntryAsync(
            new BatchCreateEntryRequest { Entries = { TestEntries.Host() } }, cancellationToken: Cancellation);
        return Assert.Single(answer.Results).Entry.Id;
    }

    private static async Task<StatusCode> RefusalAsync(WitSigning.WitSigningClient client, NewWitSvidRequest request) =>
        (await Assert.ThrowsAsync<RpcException>(() => client.NewWitSvidAsync(request, cancellationToken: Cancellation).ResponseAsync)).StatusCode;
}
