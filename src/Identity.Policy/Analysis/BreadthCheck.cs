namespace Identity.Policy.Analysis;

/// <summary>Names permits that reach very far, those that reach nobody for want of a version, and signers that nobody verifies: no fault of a policy, and often not what was meant.</summary>
public static class BreadthCheck
{
    public static IEnumerable<PolicyWarning> Find(CapabilityPolicy policy, DateTimeOffset now)
    {
        var lines = new RuleLines(policy);
        foreach (var document in policy.Documents)
        {
            foreach (var rule in document.Rules.Where(rule => rule.Mode != RuleMode.Off && !(rule.Expires <= now)))
            {
                var reference = new RuleReference(document.Name, rule.Name);
                if (rule.Effect == RuleEffect.Permit && rule.Subjects.FirstOrDefault(IsWholeTrustDomain) is { } everybody)
                    yield return Warn(PolicyWarningKind.Wide, $"permits it to the whole trust domain '{everybody.SpiffeIdPrefix}', to hosts, people and whoever is registered later too", "name a path below it, such as …/components");
                foreach (var capability in rule.Effect == RuleEffect.Permit ? rule.Capabilities.Where(IsEverything) : [])
                    yield return Warn(PolicyWarningKind.Wide, $"permits '{capability}', which is everything of its kind", "name what is needed; a forbid beside it takes away only what it names");
                foreach (var capability in rule.Effect == RuleEffect.Permit ? rule.Capabilities.Where(capability => capability is Capability.Stream { Access: var access } && access.HasFlag(StreamAccess.Consume)) : [])
                    yield return Warn(PolicyWarningKind.Wide, $"permits '{capability}', which reaches every consumer of the stream, also those that others made", "make a durable consumer and grant it alone, consumer: STREAM/NAME, or forbid those of others");
                // A workload of wasmCloud may ask without one; a component that is built for WASI names one.
                foreach (var capability in rule.Effect == RuleEffect.Permit && rule.Subjects.Any(subject => !MayBeOfWasmCloud(subject)) ? rule.Capabilities.Where(IsUnversionedWasi) : [])
                    yield return Warn(PolicyWarningKind.Unversioned, $"permits '{capability}' without a version, and a component names WASI interfaces with one", "name it, as in wasi:io/poll@0.2.0 (`identity component inspect FILE` shows it)");
                foreach (var signer in rule.Subjects.Select(subject => subject.Signer).OfType<SignerName>().Where(signer => !signer.IsKey).Distinct())
                {
                    yield return Warn(
                        PolicyWarningKind.UnverifiedSigner,
                        rule.Effect == RuleEffect.Permit
                            ? $"permits by the signer '{signer}', which is no key: nothing verifies that name at our own hosts, so nobody has it there"
                            : $"forbids by the signer '{signer}', which is no key: nothing verifies that name at our own hosts, so there it means every component that it could mean",
                        "name the key, ed25519:… (`identity component signers FILE` tells who signed)");
                }

                PolicyWarning Warn(PolicyWarningKind kind, string text, string advice) => new(kind, reference, lines.Of(reference), text, advice);
            }
        }
    }

    private static bool IsUnversionedWasi(Capability capability) =>
        capability is Capability.Import or Capability.Export && capability.Value.StartsWith("wasi:", StringComparison.Ordinal) && !capability.Value.Contains('@', StringComparison.Ordinal);

    private static bool MayBeOfWasmCloud(PolicySubject subject) => subject is not { Image: null, Namespace: null, Lattice: null } || InventoryCheck.NeedsNoEntry(subject);

    private static bool IsWholeTrustDomain(PolicySubject subject) =>
        subject.SpiffeIdPrefix is { } prefix && subject == new PolicySubject { SpiffeIdPrefix = prefix } && !prefix.Text.AsSpan("spiffe://".Length).Contains('/');

    // A NATS subject, an interface and an audience are never granted so: the parser refuses that.
    private static bool IsEverything(Capability capability) => capability switch
    {
        Capability.Connect { Target: var target } => target.Ports == PortRange.Any && (target.Name is { Text: "*" } || target.Addresses is { Length: 0 }),
        Capability.Resolve resolve => resolve.Name.Text == "*",
        Capability.Config config => config.Name.Text == "*",
        Capability.Secret secret => secret.Name.Text == "*",
        Capability.Mount mount => mount.Path.Text is "/" or "/*",
        _ => false,
    };
}
