using CsCheck;
using Spiffe.Net;

namespace Identity.Policy.Tests.Language;

/// <summary>Random policies, callers and requests over a world in which everything meets everything, and what a plain reading of them says.</summary>
internal static class PolicyWorld
{
    private static readonly string?[] Ids = ["spiffe://t/a", "spiffe://t/a/b", "spiffe://t/ab", "spiffe://u/a"];
    private static readonly string[] IdPrefixes = ["spiffe://t", "spiffe://t/a", "spiffe://u"];
    private static readonly ComponentDigest[] Digests = [Samples.Digest, Samples.OtherDigest];
    private static readonly string[] Signers = ["key-1", "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"];
    private static readonly string[] Repositories = ["r.io/a/x", "r.io/a/y", "r.io/b"];
    private static readonly string[] ImagePrefixes = ["r.io", "r.io/a"];
    private static readonly string[] Hosts = ["spiffe://t/h/1", "spiffe://t/h/2"];
    private static readonly string[] HostPrefixes = ["spiffe://t/h", "spiffe://t/h/2"];
    private static readonly string[] Namespaces = ["one", "two"];
    private static readonly string[] Tags = ["0", "1"];

    private static readonly Capability[] Capabilities = [.. PlainMeaning.Patterns.Select(Capability.Parse)];

    private static readonly CapabilityRequest[] Requests = [.. PlainMeaning.Things.Where((_, i) => i % 7 == 0).Concat(PlainMeaning.Wide).Concat(["start", "audience u", "mount /a/b"]).Select(CapabilityRequest.Parse)];

    // Requests and the capabilities that touch them meet far too seldom by chance.
    private static readonly Dictionary<string, Capability[]> SameKind = Capabilities.GroupBy(capability => capability.Kind).ToDictionary(group => group.Key, group => group.ToArray());

    private static readonly Gen<ImageReference> ImageGen = Gen.Select(Pick(Repositories), Gen.Int[0, 3], Gen.Int[0, 1], (repository, how, which) =>
        ImageReference.Parse(repository + ((how & 1) != 0 ? $":{which}" : "") + ((how & 2) != 0 ? $"@{Digests[which]}" : "")));

    // Without subjects that nobody can be: the parser refuses them.
    private static readonly Gen<PolicySubject> PlainSubjectGen = Gen.Select(Gen.Int[0, 1023], Gen.Int[0, 99], ImageGen, (bits, which, image) =>
    {
        // One attribute or two, rarely more.
        var chosen = (1 << (bits & 15) % 10) | (1 << (bits >> 4 & 15) % 10) | (bits >> 8 == 3 ? 1 << which % 10 : 0);
        return new PolicySubject
        {
            SpiffeId = (chosen & 1) != 0 ? SpiffeId.Parse(Ids[which % Ids.Length]!) : null,
            SpiffeIdPrefix = (chosen & 2) != 0 ? SpiffeIdPrefix.Parse(IdPrefixes[which % 3]) : null,
            Digest = (chosen & 4) != 0 ? Digests[which % 2] : null,
            Signer = (chosen & 8) != 0 ? SignerName.Parse(Signers[which % 2]) : null,
            Image = (chosen & 16) != 0 && (image.Tag ?? (object?)image.Digest) is not null ? image : null,
            ImagePrefix = (chosen & 32) != 0 ? ImagePrefix.Parse(ImagePrefixes[which % 2]) : null,
            Host = (chosen & 64) != 0 ? SpiffeId.Parse(Hosts[which % 2]) : null,
            HostPrefix = (chosen & 128) != 0 ? SpiffeIdPrefix.Parse(HostPrefixes[which % 2]) : null,
            Namespace = (chosen & 256) != 0 ? Namespaces[which % 2] : null,
            Lattice = (chosen & 512) != 0 ? Namespaces[which % 2] : null,
        };
    }).Where(subject => !subject.IsEmpty && Evaluation.SubjectIntersection.WhyNobody(subject) is null);

    private static readonly Gen<PolicySubject> SubjectGen = Gen.Select(PlainSubjectGen, Gen.Int[0, 9], (subject, labels) => labels switch
    {
        0 => subject with { Labels = subject.Labels.Add("team", "shop") },
        1 => new PolicySubject { Labels = subject.Labels.Add("team", "shop").Add("tier", "gold") },
        2 => new PolicySubject { Labels = subject.Labels.Add("team", "nobody") },
        _ => subject,
    });

    private static readonly Gen<LabelAssignment> LabelGen = Gen.Select(Gen.Bool, PlainSubjectGen.Array[1, 2], (team, subjects) =>
        new LabelAssignment(team ? "team" : "tier", team ? "shop" : "gold", [.. subjects.Select(subject => subject with { Signer = null }).Where(subject => !subject.IsEmpty)]));

    public static readonly Gen<Principal> PrincipalGen = Gen.Select(
        Pick(Ids), Gen.Int[0, 2], Gen.Int[0, 3], ImageGen.Null(), Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[0, 127].Select(Gen.Int[0, 127], (a, b) => a & b), (id, digest, signers, image, host, name, lattice, unknown) => new Principal
        {
            Id = SpiffeId.Parse(id!),
            Digest = digest < 2 ? Digests[digest] : null,
            Signers = [.. Signers.Where((_, i) => (signers & (1 << i)) != 0).Select(SignerName.Parse)],
            Image = image,
            Host = host < 2 ? SpiffeId.Parse(Hosts[host]) : null,
            Namespace = name < 2 ? Namespaces[name] : null,
            Lattice = lattice < 2 ? Namespaces[lattice] : null,
            Unknown = (PrincipalAttributes)unknown,
        });

    private static Gen<T> Pick<T>(T[] values) => Gen.Int[0, values.Length - 1].Select(which => values[which]);

    private static Gen<PolicyRule> RuleGen(CapabilityRequest request) => Gen.Select(
        Gen.Int[0, 99], SubjectGen.Array[1, 2], Gen.Select(Pick(SameKind[request.ToCapability().Kind]), Pick(Capabilities), Gen.Int[0, 3], (near, any, far) => far == 0 ? any : near).Array[1, 2], (how, subjects, capabilities) => new PolicyRule
        {
            Name = "unnamed",
            Effect = how % 2 == 0 ? RuleEffect.Permit : RuleEffect.Forbid,
            Mode = (how / 2 % 8) switch { 0 => RuleMode.Off, 1 => RuleMode.Shadow, 2 => RuleMode.Warn, _ => RuleMode.Enforce },
            Subjects = [.. subjects],
            Capabilities = [.. capabilities],
            Expires = how % 2 == 0 && how / 16 < 2 ? Samples.Now.AddHours(how / 16 == 0 ? 0 : 1) : null,
        });

    /// <summary>A request, and rules that may have to do with it.</summary>
    public static readonly Gen<(CapabilityRequest Request, PolicyRule[] Rules, LabelAssignment[] Labels)> CaseGen = Pick(Requests).SelectMany(request =>
        Gen.Select(RuleGen(request).Array[0, 8], LabelGen.Array[0, 2], (rules, labels) => (request, rules.Select((rule, i) => rule with { Name = $"r{i}" }).ToArray(), labels)));

    public static Gen<PolicyRule> RuleAbout(CapabilityRequest request) => RuleGen(request).Select(rule => rule with { Name = "extra" });

    public static CapabilityPolicy Policy(IEnumerable<PolicyRule> rules, IEnumerable<LabelAssignment> labels) =>
        CapabilityPolicy.Create([new PolicyDocument { Name = "p", Rules = [.. rules], Labels = [.. labels], Source = "" }], 1);

    /// <summary>What the rules say, read one by one: default deny, forbid overrides.</summary>
    public static bool Allows(IEnumerable<PolicyRule> rules, LabelAssignment[] labels, Principal principal, CapabilityRequest request, bool withShadow = false)
    {
        var inForce = rules.Where(rule => rule.Mode is RuleMode.Enforce or RuleMode.Warn || (withShadow && rule.Mode == RuleMode.Shadow)).ToArray();
        return !inForce.Any(rule => rule.Effect == RuleEffect.Forbid && rule.Mode != RuleMode.Warn
                && rule.Subjects.Any(subject => MayMean(subject, labels, principal)) && rule.Capabilities.Any(capability => Touches(capability, request)))
            && inForce.Any(rule => rule.Effect == RuleEffect.Permit && !(rule.Expires <= Samples.Now)
                && rule.Subjects.Any(subject => Means(subject, labels, principal)) && rule.Capabilities.Any(capability => PlainMeaning.IsGrantable(capability.ToString()) && Matches(capability, request)));
    }

    private static readonly WordWorld Words = new(PlainMeaning.Things, PlainMeaning.Versions);

    /// <summary>Whether the capability means all that is asked for.</summary>
    public static bool Matches(Capability capability, CapabilityRequest request) => Words.Matches(capability.ToString(), request.ToString());

    /// <summary>Whether it means some of it.</summary>
    public static bool Touches(Capability capability, CapabilityRequest request) => Words.Touches(capability.ToString(), request.ToString());

    /// <summary>Whether a forbid of it holds of what is asked for, also where the same could be had under another name.</summary>
    public static bool Forbids(Capability capability, CapabilityRequest request) => Words.Forbids(capability.ToString(), request.ToString());

    /// <summary>What is unknown is absent: no permit is given for it.</summary>
    private static bool Means(PolicySubject subject, LabelAssignment[] labels, Principal principal)
    {
        var told = principal with
        {
            Unknown = PrincipalAttributes.None,
            Digest = Is(PrincipalAttributes.Digest) ? null : principal.Digest,
            Signers = Is(PrincipalAttributes.Signer) ? [] : [.. principal.Signers.Where(signer => signer.IsKey || !Is(PrincipalAttributes.NamedSigner))],
            Image = Is(PrincipalAttributes.Image) ? null : principal.Image,
            Host = Is(PrincipalAttributes.Host) ? null : principal.Host,
            Namespace = Is(PrincipalAttributes.Namespace) ? null : principal.Namespace,
            Lattice = Is(PrincipalAttributes.Lattice) ? null : principal.Lattice,
        };
        return MeansTold(subject, labels, told, told.Image is { } image ? new Pulled(image.Repository, image.Tag, image.Digest) : null);

        bool Is(PrincipalAttributes attribute) => (principal.Unknown & attribute) != 0;
    }

    /// <summary>Somebody who has all that is known of the principal, and anything for what is not, is meant.</summary>
    private static bool MayMean(PolicySubject subject, LabelAssignment[] labels, Principal principal) =>
        (from digest in principal.Ways(PrincipalAttributes.Digest, principal.Digest, Digests)
         from signers in SignersOf(principal)
         from image in Images(principal)
         from host in principal.Ways(PrincipalAttributes.Host, principal.Host, Hosts.Select(SpiffeId.Parse))
         from name in principal.Ways(PrincipalAttributes.Namespace, principal.Namespace, Namespaces)
         from lattice in principal.Ways(PrincipalAttributes.Lattice, principal.Lattice, Namespaces)
         select new { Image = image, Whole = principal with { Unknown = PrincipalAttributes.None, Digest = digest, Signers = [.. signers], Host = host, Namespace = name, Lattice = lattice } })
        .Any(one => MeansTold(subject, labels, one.Whole, one.Image));

    private static IEnumerable<IEnumerable<SignerName>> SignersOf(Principal principal) =>
        from named in HasOrNot(principal, SignerName.Parse(Signers[0]), PrincipalAttributes.Signer | PrincipalAttributes.NamedSigner)
        from key in HasOrNot(principal, SignerName.Parse(Signers[1]), PrincipalAttributes.Signer)
        select named.Concat(key);

    private static SignerName[][] HasOrNot(Principal principal, SignerName signer, PrincipalAttributes unless) =>
        (principal.Unknown & unless) != 0 ? [[signer], []] : principal.Signers.Contains(signer) ? [[signer]] : [[]];

    private static IEnumerable<Pulled?> Images(Principal principal) =>
        (principal.Unknown & PrincipalAttributes.Image) != 0
            ? from repository in Repositories from tag in Tags from digest in Digests select new Pulled(repository, tag, digest)
            : principal.Image is not { } image ? [null]
            // A reference that leaves its tag or digest open may turn out to be any.
            : from tag in image.Tag is null ? Tags : [image.Tag] from digest in image.Digest is null ? Digests : [image.Digest] select new Pulled(image.Repository, tag, digest);

    /// <summary>What a reference leads to: something that has a tag and a digest, of which the reference states at most one.</summary>
    private sealed record Pulled(string Repository, string? Tag, ComponentDigest? Digest);

    private static bool MeansTold(PolicySubject subject, LabelAssignment[] labels, Principal principal, Pulled? image) =>
        (subject.SpiffeId is null || subject.SpiffeId == principal.Id)
        && (subject.SpiffeIdPrefix is null || IsUnder(principal.Id, subject.SpiffeIdPrefix.Text))
        && (subject.Digest is null || subject.Digest == principal.Digest)
        && (subject.Signer is null || principal.Signers.Contains(subject.Signer))
        && (subject.Image is null || (image is not null && image.Repository == subject.Image.Repository
            && (subject.Image.Tag is null || subject.Image.Tag == image.Tag) && (subject.Image.Digest is null || subject.Image.Digest == image.Digest)))
        && (subject.ImagePrefix is null || (image is not null && IsUnder(image.Repository, subject.ImagePrefix.Text)))
        && (subject.Host is null || subject.Host == principal.Host)
        && (subject.HostPrefix is null || (principal.Host is not null && IsUnder(principal.Host, subject.HostPrefix.Text)))
        && (subject.Namespace is null || subject.Namespace == principal.Namespace)
        && (subject.Lattice is null || subject.Lattice == principal.Lattice)
        && subject.Labels.All(label => labels.Any(given => given.Name == label.Key && given.Value == label.Value && given.Subjects.Any(one => MeansTold(one, labels, principal, image))));

    private static bool IsUnder(object name, string prefix) => $"{name}/".StartsWith(prefix + "/", StringComparison.Ordinal);

    private static IEnumerable<T?> Ways<T>(this Principal principal, PrincipalAttributes attribute, T? known, IEnumerable<T> all) =>
        (principal.Unknown & attribute) != 0 ? [.. all, default] : [known];
}
