namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>A server of its own for each test, and somebody who may write policy there.</summary>
public abstract class PolicyServerTest : IAsyncLifetime
{
    private protected RegistryServer _server = null!;
    private protected PolicyWriter _admin = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _admin = new PolicyWriter(_server.Admin);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
