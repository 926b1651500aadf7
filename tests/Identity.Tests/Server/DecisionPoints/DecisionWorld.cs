// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Server.Authority;
using Identity.V1;
using Microsoft.Extensions.DependencyInjection;
using Spiffe.Net;
using Spire.Api.Server.Svid.V1;
using Spire.Api.Types;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>A whole identityd with policy in force, and what a peer needs to reach its doors.</summary>
internal sealed class DecisionWorld : IAsyncDisposable
{
    private DecisionWorld(RegistryServer server) => Server = server;

    public RegistryServer Server { get; }

    public TrustBundleSet Bundles => Server.Services.GetRequiredService<SigningAuthority>().Bundles();

    public static async Task<DecisionWorld> StartAsync(string? policy, params (string Key, string Value)[] settings)
    {
        var world = new DecisionWorld(await RegistryServer.StartAsync(settings));
        if (policy is not null) await world.ApplyAsync(policy);
        return world;
    }

    /// <returns>The revision that carries it.</returns>
    public async Task<ulong> ApplyAsync(string policy) => (await new PolicyAdmin.PolicyAdminClient(Server.Admin)
        .ApplyPoliciesAsync(new ApplyPoliciesRequest { Documents = { new PolicySource { Text = policy } } })).Revision;

    public async Task<string> TokenAsync(string path, string audience) => (await new SVID.SVIDClient(Server.Admin).MintJWTSVIDAsync(
        new MintJWTSVIDRequest { Id = new SPIFFEID { TrustDomain = "example.org", Path = path }, Audience = { audience } })).Svid.Token;

    /// <summary>The decision that a message asks to be asked about.</summary>
    public V1.Decision DecisionIn(string message)
    {
        var at = message.IndexOf("d-", StringComparison.Ordinal);
        while (at >= 0 && (at + 28 > message.Length || !Identity.Server.ComponentPolicy.DecisionId.IsWellFormed(message.Substring(at, 28)))) at = message.IndexOf("d-", at + 1, StringComparison.Ordinal);
        Assert.True(at >= 0, $"no decision id in: {message}");
        return Server.Decisions.TryGet(message.Substring(at, 28)) ?? throw new InvalidOperationException("the decision is not known");
    }

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
