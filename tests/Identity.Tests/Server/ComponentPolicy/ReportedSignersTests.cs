using System.Buffers.Binary;
using Google.Protobuf;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.NatsAuthCallout;
using Identity.Testing.Components;
using Identity.Tests.Server.Registration;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using Wire = Identity.V1.LiveAdmission;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>What an agent tells of a component's signatures, the server verifies with the keys of the policy it asks: the one in force, or one that is tried.</summary>
public sealed class ReportedSignersTests : IDisposable
{
    private static readonly SpiffeId Cart = SpiffeId.Parse($"{Shop}/cart");
    private static readonly SpiffeId Agent = SpiffeId.Parse("spiffe://example.org/spire/agent/a");
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly ComponentSigner _release = new();
    private readonly ComponentSigner _other = new();

    private static byte[] Component { get; } = new ComponentWriter().Instances("wasi:io/poll@0.2.0").ToArray();

    public void Dispose()
    {
        _release.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void A_component_logs_in_to_nats_by_its_signer()
    {
        var policy = Of(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}", "{ natsPublish: orders.new }"));
        Assert.IsType<LoginGrant.Allowed>(Login(policy, Reported(_release)));
        Assert.IsType<LoginGrant.Refused>(Login(policy, Reported(_other)));
        Assert.IsType<LoginGrant.Refused>(Login(policy, Reported()));
        Assert.IsType<LoginGrant.Refused>(Login(policy, Untold()));
        var forbids = Of(Permit("shop", capability: "{ natsPublish: orders.new }"), Forbid("guard", $"{{ signer: {_release.Name} }}", "{ natsPublish: orders.> }"));
        Assert.IsType<LoginGrant.Refused>(Login(forbids, Reported(_release)));
        Assert.IsType<LoginGrant.Refused>(Login(forbids, Untold()));
        Assert.IsType<LoginGrant.Allowed>(Login(forbids, Reported(_other)));
        Assert.IsType<LoginGrant.Allowed>(Login(forbids, Reported()));
    }

    [Fact]
    public void Where_two_of_one_identity_have_other_signers_nobody_knows_whose_login_it_is()
    {
        var live = new LiveAdmissions(TimeProvider.System);
        using var session = live.Open(Agent);
        var (one, two) = (Reported(_release), Reported(_other) with { Id = "a2" });
        var permits = Of(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}", "{ natsPublish: orders.new }"));
        var forbids = Of(Permit("shop", capability: "{ natsPublish: orders.new }"), Forbid("guard", $"{{ signer: {_other.Name} }}", "{ natsPublish: orders.> }"));
        session.Replace([one]);
        Assert.IsType<LoginGrant.Allowed>(Login(permits, live));
        Assert.IsType<LoginGrant.Allowed>(Login(forbids, live));
        session.Replace([one, two]);
        Assert.IsType<LoginGrant.Refused>(Login(permits, live));
        Assert.IsType<LoginGrant.Refused>(Login(forbids, live));
        // Told anew with the same signatures nothing has happened; with others it is another component.
        session.Replace([one, Reported(_release) with { Id = "a2" }]);
        Assert.IsType<LoginGrant.Allowed>(Login(permits, live));
        session.Replace([]);
        Assert.False(live.IsLive(Cart));
    }

    [Fact]
    public void Two_builds_that_the_same_signed_log_in_side_by_side_as_in_a_rolling_update()
    {
        var live = new LiveAdmissions(TimeProvider.System);
        using var session = live.Open(Agent);
        var next = Reported([.. Component, 0, 1, 0], _release) with { Id = "a2", Digest = "sha256:" + new string('2', 64) };
        session.Replace([Reported(_release), next]);
        var policy = Of(
            Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}", "{ natsPublish: orders.new }"),
            Forbid("guard", $"{{ signer: {_other.Name} }}", "{ natsPublish: orders.> }"));
        Assert.NotNull(live.Find(Cart, out var differing, out var signers));
        Assert.Equal((PrincipalAttributes.Digest, 2), (differing, signers.Length));
        Assert.IsType<LoginGrant.Allowed>(Login(policy, live));

        // One more that nobody signed, and it may be any of the three.
        session.Replace([Reported(_release), next, Reported() with { Id = "a3" }]);
        Assert.IsType<LoginGrant.Refused>(Login(policy, live));
    }

    [Fact]
    public void However_many_signatures_are_told_of_one_identity_a_trial_verifies_those_of_a_few()
    {
        const int Sets = 1000;
        var verified = 0;
        var live = new LiveAdmissions(TimeProvider.System);
        using var session = live.Open(Agent);
        session.Replace([.. Enumerable.Range(0, Sets).Select(Rogue)]);
        var keys = Keys(CapabilityPolicy.MaxSignerKeys).Select(key => $"{{ spiffeIdPrefix: {Shop}, signer: {key} }}").ToList();
        var current = Of(Permit("shop", capability: "start, { import: wasi:io/poll@0.2.0 }"));
        var candidate = Of(Permit("shop", string.Join(", ", keys), "start, { import: wasi:io/poll@0.2.0 }"));
        var trial = new StageTrial(current, candidate, narrows: true, touchesNats: true, Now);
        Assert.All(live.All(), admission => Assert.Contains("would be denied", trial.WhyDenied(admission), StringComparison.Ordinal));
        Assert.InRange(verified, 1, AdmissionsOfOne.MaxSignatures * ComponentSignatures.MaxSignatures * CapabilityPolicy.MaxSignerKeys);

        ReportedAdmission Rogue(int number)
        {
            byte[][] signatures = [.. Enumerable.Range(0, ComponentSignatures.MaxSignatures).Select(at => Bytes(ComponentSignatures.SignatureSize, number * 8 + at + 1))];
            Assert.True(ComponentSignatures.TryCreate(Bytes(32, number), signatures, out var told, out var problem), problem);
            var signers = new VerifiedSigners(told, (_, _, _) =>
            {
                Interlocked.Increment(ref verified);
                return false;
            });
            return Untold() with { Id = $"a{number}", Signers = signers };
        }
    }

    [Fact]
    public void What_is_told_beyond_that_says_nothing_when_it_is_told_again_and_counts_when_there_is_room()
    {
        var observations = new StageObservations { IsOpen = true };
        var live = new LiveAdmissions(TimeProvider.System, observations);
        using var session = live.Open(Agent);
        var builds = Enumerable.Range(0, AdmissionsOfOne.MaxSignatures + 2).Select(at => Reported([.. Component, 0, 2, 0, (byte)at], _release) with { Id = $"a{at}" }).ToArray();
        session.Replace(builds);
        Assert.NotNull(live.Find(Cart, out var differing, out _));
        Assert.Equal(PrincipalAttributes.Signer, differing);
        var heard = observations.Reader.Count;
        session.Replace(builds);
        Assert.Equal(heard, observations.Reader.Count);

        var policy = Of(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}", "{ natsPublish: orders.new }"));
        Assert.IsType<LoginGrant.Refused>(Login(policy, live));
        session.End("a0");
        Assert.IsType<LoginGrant.Refused>(Login(policy, live));
        session.End("a1");
        Assert.NotNull(live.Find(Cart, out differing, out var signers));
        Assert.Equal((PrincipalAttributes.None, AdmissionsOfOne.MaxSignatures), (differing, signers.Length));
        Assert.IsType<LoginGrant.Allowed>(Login(policy, live));
        Assert.All(live.All(), admission => Assert.Null(admission.SignersBeyond));
    }

    [Fact]
    public void A_policy_that_is_tried_may_name_keys_that_the_one_in_force_does_not()
    {
        var current = Of(Permit("shop", capability: "start, { import: wasi:io/poll@0.2.0 }"));
        var candidate = Of(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}", "start, { import: wasi:io/poll@0.2.0 }"));
        var trial = new StageTrial(current, candidate, narrows: true, touchesNats: true, Now);
        Assert.Null(trial.WhyDenied(Reported(_release)));
        Assert.Contains("would be denied", trial.WhyDenied(Reported(_other)), StringComparison.Ordinal);
        Assert.Contains("would be denied", trial.WhyDenied(Reported()), StringComparison.Ordinal);
        Assert.Contains("would be denied", trial.WhyDenied(Untold()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_policy_that_is_tried_has_its_keys_tried_on_its_own_account_and_knows_nothing_before()
    {
        var current = Of(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}", "start, { import: wasi:io/poll@0.2.0 }"));
        var candidate = Of(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_other.Name} }}", "start, { import: wasi:io/poll@0.2.0 }"));
        var (ofTheAgent, ofTheTrial) = (0, 0);
        Assert.True(ReportedAdmission.TryParse(Told(Component, _release), TestEntries.TrustDomain, out var running, out _, count =>
        {
            ofTheAgent += count;
            return true;
        }));
        // The policy in force asks for its key on the account of who brought the component.
        Assert.True(NatsRights.Decide(current, running.PrincipalFor(current.SignerKeys)!, CapabilityRequest.Parse("start"), Now).Allowed);
        Assert.Equal(1, ofTheAgent);

        // As long as the trial may try nothing it says so, and neither that all is well nor that the policy in force denied it before.
        var none = new StageTrial(current, candidate, narrows: true, touchesNats: true, Now, _ => false);
        Assert.False(none.Knows(running));
        Assert.EndsWith("who signed it could not be tried yet: nobody can say whether it would be denied", none.WhyDenied(running), StringComparison.Ordinal);
        Assert.True(NatsRights.Decide(current, running.PrincipalFor(current.SignerKeys)!, CapabilityRequest.Parse("start"), Now).Allowed);

        var trial = new StageTrial(current, candidate, narrows: true, touchesNats: true, Now, count =>
        {
            ofTheTrial += count;
            return true;
        });
        Assert.True(trial.Knows(running));
        Assert.Contains("would be denied", trial.WhyDenied(running), StringComparison.Ordinal);
        // One key more, once, and not for the agent to pay.
        Assert.Equal((1, 1), (ofTheAgent, ofTheTrial));
        Assert.True(none.Knows(running));
        // What takes nothing asks nobody.
        Assert.True(new StageTrial(current, candidate, narrows: false, touchesNats: false, Now, _ => false).Knows(Reported(_release)));
        // Who tells nothing is known not to.
        Assert.True(none.Knows(Untold()));
    }

    [Fact]
    public void What_a_candidate_takes_from_a_signed_component_is_found_whoever_else_may_have_signed_it()
    {
        const string Vault = "{ audience: https://vault.example.com }";
        var current = Of(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}", Vault));
        foreach (var (what, candidate, loses) in new[]
        {
            ("nothing", current, false),
            ("its permit", Of(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_other.Name} }}", Vault)), true),
            ("by a forbid of its key", Of(current.Documents[0].Source, Forbid("guard", $"{{ signer: {_release.Name} }}", Vault)), true),
            ("by a forbid of a name that nobody proves", Of(current.Documents[0].Source, Forbid("guard", "{ signer: release@example.org }", Vault)), true),
            ("nothing by a forbid of another key", Of(current.Documents[0].Source, Forbid("guard", $"{{ signer: {_other.Name} }}", Vault)), false),
        })
        {
            var trial = new StageTrial(current, candidate, narrows: true, touchesNats: true, Now);
            var caller = Reported(_release).PrincipalFor(trial.SignerKeys)!;
            var compared = trial.WhomToCompare(caller).ToDictionary();
            var lost = AuthorityDifference.Between(current, candidate, Now).LossesOf([.. compared.Keys])
                .Where(loss => trial.WhyDenied(compared[loss.Principal!], loss.Request!) is not null);
            Assert.True(loses == lost.Any(), what);
        }
    }

    [Fact]
    public void While_an_agent_may_have_no_more_verified_its_components_have_no_signers()
    {
        var mayVerify = false;
        var wire = Told(Component, _release);
        Assert.True(ReportedAdmission.TryParse(wire, TestEntries.TrustDomain, out var admission, out var problem, _ => mayVerify), problem);
        var permit = Of(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}", "{ natsPublish: orders.new }"));
        var live = new LiveAdmissions(TimeProvider.System);
        using var session = live.Open(Agent);
        session.Replace([admission]);
        Assert.Contains("as many signatures tried", Assert.IsType<LoginGrant.Refused>(Login(permit, live)).Explanation!.ToText(), StringComparison.Ordinal);
        Assert.IsType<LoginGrant.Refused>(Login(Of(Permit("shop", capability: "{ natsPublish: orders.new }"), Forbid("guard", $"{{ signer: {_other.Name} }}", "{ natsPublish: orders.> }")), live));
        mayVerify = true;
        Assert.IsType<LoginGrant.Allowed>(Login(permit, live));
    }

    [Fact]
    public void Malformed_signatures_refuse_the_report()
    {
        var signature = ByteString.CopyFrom(new byte[64]);
        var hash = ByteString.CopyFrom(new byte[32]);
        foreach (var spoiled in new V1.ComponentSignatures[]
        {
            new() { Hashes = hash }, new() { Signatures = { signature } }, new() { Hashes = ByteString.CopyFrom(new byte[31]), Signatures = { signature } },
            new() { Hashes = hash, Signatures = { ByteString.CopyFrom(new byte[63]) } }, new() { Hashes = hash, Signatures = { Enumerable.Repeat(signature, 9) } },
            new() { Hashes = ByteString.CopyFrom(new byte[65 * 32]), Signatures = { signature } },
        })
        {
            var wire = Told();
            wire.Signatures = spoiled;
            Assert.False(ReportedAdmission.TryParse(wire, TestEntries.TrustDomain, out _, out var problem));
            Assert.StartsWith("admission a1: ", problem, StringComparison.Ordinal);
        }
    }

    private static LoginGrant Login(CapabilityPolicy policy, ReportedAdmission admission)
    {
        var standing = new LoginStanding.AdmittedComponent(ComponentDigest.Parse(admission.Digest), admission.Host) { Signers = admission.Signers };
        return LoginGrant.For(Cart, new LoginFacts(policy, new TrustBundleSet(), _ => standing, 1), Now);
    }

    private static LoginGrant Login(CapabilityPolicy policy, LiveAdmissions live)
    {
        var admission = live.Find(Cart, out var differing, out var signers)!;
        var standing = new LoginStanding.AdmittedComponent(ComponentDigest.Parse(admission.Digest), admission.Host, differing) { Signers = admission.Signers, SignersOfAll = signers };
        return LoginGrant.For(Cart, new LoginFacts(policy, new TrustBundleSet(), _ => standing, 1), Now);
    }

    private static byte[] Bytes(int length, int number)
    {
        var bytes = new byte[length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        return bytes;
    }

    // About every second number is where a point of the curve is.
    private static IEnumerable<SignerName> Keys(int count) =>
        Enumerable.Range(2, 1000).Select(at => SignerName.TryOfKey(Bytes(SignerName.KeySize, at), out var key, out _) ? key : null).OfType<SignerName>().Take(count);

    private static CapabilityPolicy Of(params string[] sources) => CapabilityPolicy.FromSources(sources, 1);

    private static Wire Told() => new()
    {
        AdmissionId = "a1",
        SpiffeId = Cart.ToString(),
        HostSpiffeId = "spiffe://example.org/hosts/local",
        Digest = TestEntries.Digest,
        Imports = { "wasi:io/poll@0.2.0" },
        ImportsTold = true,
    };

    private static ReportedAdmission Untold() => Parsed(Told());

    private static ReportedAdmission Reported(params ComponentSigner[] signers) => Reported(Component, signers);

    private static ReportedAdmission Reported(byte[] component, params ComponentSigner[] signers) => Parsed(Told(component, signers));

    private static Wire Told(byte[] component, params ComponentSigner[] signers)
    {
        var wire = Told();
        var read = ComponentSignatures.Read(signers.Length == 0 ? component : SignatureWriter.Sign(component, signers));
        wire.Signatures = new V1.ComponentSignatures { Hashes = ByteString.CopyFrom(read.Hashes) };
        wire.Signatures.Signatures.AddRange(read.Signatures.Select(signature => ByteString.CopyFrom(signature)));
        return wire;
    }

    private static ReportedAdmission Parsed(Wire wire)
    {
        Assert.True(ReportedAdmission.TryParse(wire, TestEntries.TrustDomain, out var admission, out var problem), problem);
        return admission;
    }
}
