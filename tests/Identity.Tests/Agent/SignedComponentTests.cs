// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Policy;
using Identity.Testing.Components;
using Spiffe.Broker;
using static Identity.Tests.Agent.AdmissionCalls;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;
using static Identity.V1.AdmitResponse;

namespace Identity.Tests.Agent;

/// <summary>At our own door the bytes say who signed a component, to whatever policy is in force while it runs.</summary>
public sealed class SignedComponentTests : IDisposable
{
    private readonly WatchedClock _time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
    private readonly ComponentSigner _release = new();
    private readonly ComponentSigner _other = new();

    public void Dispose()
    {
        _release.Dispose();
        _other.Dispose();
    }

    [Fact]
    public async Task What_is_signed_starts_by_its_signer_runs_until_policy_thinks_otherwise_and_the_server_is_told_how_to_tell()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Permit(_release));
        var (plane, _) = node;
        var signed = SignatureWriter.Sign(Component(Messaging), _release);
        using var call = await node.AdmitAsync(signed);
        Assert.Equal(Greeter, (await call.ResponseStream.NextAsync()).Admitted.SpiffeId);

        var told = (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Admitted)).Admitted.Signatures;
        var read = ComponentSignatures.Read(signed);
        Assert.Equal(read.Hashes.ToArray(), told.Hashes.ToByteArray());
        Assert.Equal(Assert.Single(read.Signatures), Assert.Single(told.Signatures).ToByteArray());

        plane.Policies[0] = Permit(_other);
        plane.Push();
        var ended = (await call.ResponseStream.NextAsync()).Ended;
        Assert.False(ended.Decision.Allowed);
        Assert.Contains($"is for what '{_other.Name}' signed", ended.Decision.Reasons[0].Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_nobody_signed_is_refused_by_name_of_the_signer_with_the_smallest_grant()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Permit(_release));
        using var call = await node.AdmitAsync(Component(Messaging));
        var reason = Assert.Single((await call.ResponseStream.NextAsync()).Denied.Reasons);
        Assert.Equal(Messaging, reason.Capability);
        Assert.Contains($"is for what '{_release.Name}' signed", reason.Explanation, StringComparison.Ordinal);
        Assert.Contains($"digest: {ComponentDigest.Of(Component(Messaging))}", reason.SmallestGrant, StringComparison.Ordinal);

        node.Plane.Policies.Add(reason.SmallestGrant);
        node.Plane.Push();
        Assert.Equal(EventOneofCase.Admitted, (await call.ResponseStream.NextAsync()).EventCase);
        var told = (await node.Plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Admitted)).Admitted.Signatures;
        Assert.True(told is { Signatures.Count: 0, Hashes.IsEmpty: true });
    }

    [Fact]
    public async Task A_key_that_policy_names_later_is_tried_with_what_the_component_carries()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Permit(_other));
        var (plane, _) = node;
        using var call = await node.AdmitAsync(SignatureWriter.Sign(Component(Messaging), _release));
        Assert.Equal(EventOneofCase.Denied, (await call.ResponseStream.NextAsync()).EventCase);

        // A permit that comes later lets it start.
        plane.Policies.Add(Permit(_release).Replace("name: sample", "name: later", StringComparison.Ordinal));
        plane.Push();
        Assert.Equal(EventOneofCase.Admitted, (await call.ResponseStream.NextAsync()).EventCase);

        // And a forbid that comes later is not dodged by having started before.
        plane.Policies.Add(Grant(Messaging).Replace("name: sample", "name: anybody", StringComparison.Ordinal));
        plane.Policies.Add(Forbid(_release.Name));
        plane.Push();
        var ended = (await call.ResponseStream.NextAsync()).Ended;
        Assert.Equal("guard/only", ended.Decision.Reasons[0].Rule);
        Assert.DoesNotContain("not told", ended.Decision.Reasons[0].Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forbid_by_a_key_means_who_has_its_signature_and_nobody_else()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Grant(Messaging), Forbid(_other.Name));
        foreach (var (component, outcome) in new[]
        {
            (Component(Messaging), EventOneofCase.Admitted),
            (SignatureWriter.Sign(Component(Messaging), _release), EventOneofCase.Admitted),
            (SignatureWriter.Sign(Component(Messaging), _other), EventOneofCase.Denied),
            (SignatureWriter.Sign(Component(Messaging), _release, _other), EventOneofCase.Denied),
        })
        {
            using var call = await node.AdmitAsync(component);
            Assert.Equal(outcome, (await call.ResponseStream.NextAsync()).EventCase);
        }
    }

    [Fact]
    public async Task A_signer_with_another_name_stays_untold_so_its_forbid_holds_and_its_permit_does_not()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Grant(Messaging), Forbid("release@example.org"));
        using (var forbidden = await node.AdmitAsync(SignatureWriter.Sign(Component(Messaging), _release)))
            Assert.Contains("depends on its signers, which were not told", (await forbidden.ResponseStream.NextAsync()).Denied.Reasons[0].Explanation, StringComparison.Ordinal);
        node.Plane.Policies.Clear();
        node.Plane.Policies.Add(Permit("release@example.org"));
        node.Plane.Push();
        using var permitted = await node.AdmitAsync(SignatureWriter.Sign(Component(Messaging), _release));
        Assert.Equal(EventOneofCase.Denied, (await permitted.ResponseStream.NextAsync()).EventCase);
    }

    [Fact]
    public async Task What_was_changed_after_it_was_signed_has_no_signer_and_no_way_around_a_forbid()
    {
        var signed = SignatureWriter.Sign(Component(Messaging), _release);
        byte[] changed = [.. signed, 0, 3, .. ComponentWriter.Text("x"), 1];
        await using var node = await AdmittingNode.StartAsync(_time, Permit(_release));
        var (plane, _) = node;
        using var call = await node.AdmitAsync(changed);
        var denied = (await call.ResponseStream.NextAsync()).Denied;
        var reason = Assert.Single(denied.Reasons);
        Assert.Contains("depends on the caller's signers, and it tells nobody who signed it: its signatures are not over the whole", reason.Explanation, StringComparison.Ordinal);
        // What somebody changed is not to be let in by its digest.
        Assert.Empty(reason.SmallestGrant);

        plane.Policies[0] = Grant(Messaging);
        plane.Push();
        Assert.Equal(EventOneofCase.Admitted, (await call.ResponseStream.NextAsync()).EventCase);
        Assert.Null((await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Admitted)).Admitted.Signatures);
        plane.Policies.Add(Forbid(_other.Name));
        plane.Push();
        Assert.Contains("and it tells nobody who signed it", (await call.ResponseStream.NextAsync()).Ended.Decision.Reasons[0].Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tokens_go_by_the_signer_too_and_by_the_policy_of_the_moment()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Permit(_release) + "      - audience: https://vault.example.com\n");
        var (plane, agent) = node;
        using var call = await node.AdmitAsync(SignatureWriter.Sign(Component(Messaging), _release));
        var id = (await call.ResponseStream.NextAsync()).Admitted.AdmissionId;
        var broker = new API.APIClient(agent.BrokerChannel(plane.SvidOf(Host)));
        var reference = new WorkloadReference { Reference = Any.Pack(new V1.AdmissionReference { AdmissionId = id }) };
        Task<FetchJWTSVIDResponse> FetchAsync(string audience) => broker.FetchJWTSVIDAsync(new() { Reference = reference, Audience = { audience } }, BrokerHeader).ResponseAsync;

        Assert.Single((await FetchAsync("https://vault.example.com")).Svids);
        // Grants of tokens end no admission; each is decided when it is asked for. The other key was never named before.
        plane.Policies.Add(Forbid(_release.Name, "{ audience: https://vault.example.com }"));
        plane.Push();
        await agent.FollowsAsync(plane);
        await RefusedAsync(StatusCode.PermissionDenied, () => FetchAsync("https://vault.example.com"));
        plane.Policies[^1] = Forbid(_other.Name, "{ audience: https://vault.example.com }");
        plane.Push();
        await agent.FollowsAsync(plane);
        Assert.Single((await FetchAsync("https://vault.example.com")).Svids);
    }

    private static string Permit(ComponentSigner signer) => Permit(signer.Name);

    private static string Permit(string signer) => Grant(Messaging).Replace($"spiffeId: {Greeter}\n", $"spiffeIdPrefix: spiffe://example.org/components\n        signer: {signer}\n", StringComparison.Ordinal);

    private static string Forbid(string signer, string capability = "start") =>
        $"kind: CapabilityPolicy\nname: guard\nrules:\n  - {{ name: only, effect: forbid, subjects: [{{ signer: {signer} }}], capabilities: [{capability}] }}\n";
}
