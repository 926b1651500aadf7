using Identity.Testing.Nats;
using NATS.Client.Core;
using NATS.NKeys;

namespace Identity.Tests.NKeys;

/// <summary>NATS.Client.Core was compiled against another assembly of this name: that ours takes its place is shown by logging in with it.</summary>
public sealed class NatsClientBindingTests
{
    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task The_NATS_client_logs_in_with_our_keys(NatsRelease release)
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var user = KeyPair.CreatePair(NKeyPrefix.User);
        await using var server = await NatsServerProcess.StartAsync(NatsServerBinary.Get(release), Configuration(user), cancellation);

        await using var client = new NatsConnection(Options(server, user));
        await client.ConnectAsync();
        Assert.Equal(NatsConnectionState.Open, client.ConnectionState);
        Assert.Equal(typeof(KeyPair).Assembly, AppDomain.CurrentDomain.GetAssemblies().Single(a => a.GetName().Name == "NATS.NKeys"));
    }

    [Fact]
    public async Task The_server_refuses_another_key()
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var user = KeyPair.CreatePair(NKeyPrefix.User);
        using var other = KeyPair.CreatePair(NKeyPrefix.User);
        await using var server = await NatsServerProcess.StartAsync(NatsServerBinary.Newest, Configuration(user), cancellation);

        await using var client = new NatsConnection(Options(server, other));
        await Assert.ThrowsAnyAsync<NatsException>(async () => await client.ConnectAsync());
    }

    private static string Configuration(KeyPair user) =>
        $$"""
        listen: "127.0.0.1:-1"
        authorization { users: [ { nkey: {{user.GetPublicKey()}} } ] }
        """;

    private static NatsOpts Options(NatsServerProcess server, KeyPair user) => NatsOpts.Default with
    {
        Url = $"nats://127.0.0.1:{server.Port}",
        AuthOpts = new NatsAuthOpts { NKey = user.GetPublicKey(), Seed = user.GetSeed() },
    };
}
