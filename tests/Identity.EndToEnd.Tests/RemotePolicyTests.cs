using System.Text.Json;
using Identity.Testing.Platform;
using Xunit;

namespace Identity.EndToEnd.Tests;

/// <summary>Somebody whom a role names by SPIFFE ID agrees to a change with the command line, over the network, as who they are at the Workload API.</summary>
public sealed class RemotePolicyTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_person_with_an_SVID_approves_what_root_may_not_do_alone()
    {
        await using var fixture = new PlatformFixture();
        var platform = fixture.Platform;
        await platform.StartServerAsync(Cancellation);
        await platform.StartAgentAsync(Cancellation);
        var program = Repository.Program("Identity.Cli", "identity");
        var own = $"unix:{(await File.ReadAllLinesAsync("/proc/self/status", Cancellation)).First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2]}";
        var (people, permit) = (Path.Combine(platform.Folder, "people.yaml"), Path.Combine(platform.Folder, "permit.yaml"));
        await File.WriteAllTextAsync(people, $"""
            kind: RegistrationEntry
            spiffeId: spiffe://example.org/people/ann
            parentId: spiffe://example.org/nodes/local
            selectors: ["unix:path:{program}"]
            ---
            kind: PolicyRole
            name: four-eyes
            members: [{own}, spiffe://example.org/people/ann]
            policies: ["*"]
            subjects: any
            approvals: 1

            """, Cancellation);
        await platform.IdentityAsync(Cancellation, "apply", "-f", people);
        await File.WriteAllTextAsync(permit, """
            kind: CapabilityPolicy
            name: shop
            rules:
              - name: orders
                effect: permit
                subjects: [{ spiffeIdPrefix: spiffe://example.org/components/shop }]
                capabilities: [{ natsPublish: orders.new }]

            """, Cancellation);
        Assert.Contains("proposed", await platform.IdentityAsync(Cancellation, "apply", "-f", permit, "--reason", "the shop opens"), StringComparison.Ordinal);

        var (code, output, error) = await AsAnnAsync("policy", "proposals", "-o", "json");
        Assert.True(code == 0, error);
        using var proposals = JsonDocument.Parse(output);
        var proposal = proposals.RootElement.GetProperty("proposals")[0];
        var (id, hash) = (proposal.GetProperty("id").GetString()!, proposal.GetProperty("hash").GetString()!);
        var alone = await platform.TryIdentityAsync(Cancellation, "policy", "approve", id, "--hash", hash);
        Assert.Contains("nobody approves their own proposal", alone.Error, StringComparison.Ordinal);
        (code, output, error) = await AsAnnAsync("policy", "approve", id, "--hash", hash);
        Assert.True(code == 0, error);
        Assert.Contains($"{id} is in force", output, StringComparison.Ordinal);
        Assert.Contains("orders.new", await platform.IdentityAsync(Cancellation, "policy", "show", "shop"), StringComparison.Ordinal);

        // A role gives the methods of policy and no others.
        (code, _, error) = await AsAnnAsync("status");
        Assert.NotEqual(0, code);
        Assert.Contains("administrators", error, StringComparison.Ordinal);

        // Nobody without an identity is anybody, and the sentence is about that.
        await platform.IdentityAsync(Cancellation, "entry", "delete", await EntryOfAnnAsync());
        (code, _, error) = await AsAnnAsync("policy", "list");
        Assert.NotEqual(0, code);
        Assert.StartsWith("identity: no X.509-SVID within", error, StringComparison.Ordinal);
        Assert.Contains("no identity", error, StringComparison.Ordinal);

        Task<(int Code, string Output, string Error)> AsAnnAsync(params string[] arguments) => LocalPlatform.RunAsync(
            program, [.. arguments, "--server-address", $"127.0.0.1:{platform.Ports.Grpc}"], platform.WorkloadEnvironment(), Cancellation);

        async Task<string> EntryOfAnnAsync()
        {
            using var entries = JsonDocument.Parse(await platform.IdentityAsync(Cancellation, "entry", "list", "-o", "json"));
            return entries.RootElement.GetProperty("entries").EnumerateArray().Single(entry => entry.GetProperty("spiffeId").GetProperty("path").GetString() == "/people/ann").GetProperty("id").GetString()!;
        }
    }
}
