using System.Collections.Immutable;
using Identity.Policy.Analysis;
using Identity.Policy.Tests.Language;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis;

/// <summary>
/// The oracle: the meaning of a policy on the small world, by trying every clause on every caller and request. Written from
/// docs/policy.md, not from the code that decides.
/// </summary>
internal sealed class Enumeration
{
    private readonly CapabilityRequest[] _requests;
    private readonly WordWorld _words;
    private readonly Dictionary<(PolicySubject, bool), uint> _callers = [];
    private readonly Dictionary<(Capability, bool), uint> _asked = new(ReferenceOrValue.Instance);

    public Enumeration(int kind) => (_requests, _words) = (SmallWorld.Kinds[kind].Requests, SmallWorld.Words[kind]);

    public CapabilityRequest[] Requests => _requests;

    /// <summary>The requests for single names, as bits; the others ask for a pattern.</summary>
    public uint Single => (uint)_requests.Select((request, bit) => request.ToString().Contains('*', StringComparison.Ordinal) ? 0 : 1L << bit).Sum();

    /// <summary>For each caller the requests that are allowed, as bits, one array for each moment.</summary>
    public uint[][] Allowed(IEnumerable<PolicyRule> rules) => [.. SmallWorld.Moments.Select(moment => Allowed(rules, moment))];

    private uint[] Allowed(IEnumerable<PolicyRule> rules, DateTimeOffset moment)
    {
        var permitted = new uint[SmallWorld.Principals.Length];
        var forbidden = new uint[SmallWorld.Principals.Length];
        foreach (var rule in rules)
        {
            var permits = rule.Effect == RuleEffect.Permit;
            if (rule.Mode is RuleMode.Off or RuleMode.Shadow || (rule.Mode == RuleMode.Warn && !permits)) continue;
            if (permits && rule.Expires <= moment) continue;
            foreach (var subject in rule.Subjects)
            {
                foreach (var capability in rule.Capabilities)
                {
                    if (!permits || PlainMeaning.IsGrantable(capability.ToString())) Add(permits ? permitted : forbidden, Meets(subject, capability, permits));
                }
            }
        }

        return [.. permitted.Select((bits, caller) => bits & ~forbidden[caller])];
    }

    /// <summary>The callers and requests that a part of a difference means.</summary>
    public uint[] Means(AuthorityChange change, DateTimeOffset moment)
    {
        var means = Meets(change.Permit, moment);
        if (change.Lifted is { } lifted) Keep(means, Meets(lifted, moment));
        foreach (var except in change.Except) Remove(means, Meets(except, moment));
        return means;
    }

    private uint[] Meets(PolicyClause clause, DateTimeOffset moment) =>
        clause.Effect == RuleEffect.Permit && clause.Expires <= moment ? new uint[SmallWorld.Principals.Length] : Meets(clause.Subject, clause.Capability, clause.Effect == RuleEffect.Permit);

    private uint[] Meets(PolicySubject subject, Capability capability, bool permits)
    {
        if (!_callers.TryGetValue((subject, permits), out var callers))
        {
            for (var i = 0; i < SmallWorld.Principals.Length; i++) callers |= Means(subject, SmallWorld.Principals[i], permits) ? 1u << i : 0;
            _callers.Add((subject, permits), callers);
        }

        if (!_asked.TryGetValue((capability, permits), out var asked))
        {
            for (var i = 0; i < _requests.Length; i++) asked |= (permits ? _words.Matches(capability.ToString(), _requests[i].ToString()) : _words.Forbids(capability.ToString(), _requests[i].ToString())) ? 1u << i : 0;
            _asked.Add((capability, permits), asked);
        }

        var meets = new uint[SmallWorld.Principals.Length];
        for (var i = 0; i < meets.Length; i++) meets[i] = (callers >> i & 1) != 0 ? asked : 0;
        return meets;
    }

    public static bool Means(PolicySubject subject, Principal principal, bool permits)
    {
        // True, false, or null for what the door cannot tell; a permit needs all true, a forbid no false.
        bool? Known(PrincipalAttributes attribute, bool matches) => (principal.Unknown & attribute) != 0 ? null : matches;
        var judged = new List<bool?>();
        if (subject.SpiffeId is { } id) judged.Add(id == principal.Id);
        if (subject.SpiffeIdPrefix is { } prefix) judged.Add(Under(principal.Id, prefix));
        if (subject.Digest is { } digest) judged.Add(Known(PrincipalAttributes.Digest, digest == principal.Digest));
        if (subject.Signer is { } signer) judged.Add(Known(PrincipalAttributes.Signer, principal.Signers.Contains(signer)));
        if (subject.Image is { } image)
        {
            // A reference that leaves its tag or its digest open may be the one that is meant.
            judged.Add(Known(PrincipalAttributes.Image, principal.Image?.Repository == image.Repository));
            if (image.Tag is { } tag) judged.Add(principal.Image is { Tag: null } ? null : Known(PrincipalAttributes.Image, principal.Image?.Tag == tag));
            if (image.Digest is { } pinned) judged.Add(principal.Image is { Digest: null } ? null : Known(PrincipalAttributes.Image, principal.Image?.Digest == pinned));
        }

        if (subject.ImagePrefix is { } images) judged.Add(Known(PrincipalAttributes.Image, principal.Image is { } its && $"{its.Repository}/".StartsWith(images.Text + "/", StringComparison.Ordinal)));
        if (subject.Host is { } host) judged.Add(Known(PrincipalAttributes.Host, host == principal.Host));
        if (subject.HostPrefix is { } hosts) judged.Add(Known(PrincipalAttributes.Host, principal.Host is { } its && Under(its, hosts)));
        if (subject.Namespace is { } name) judged.Add(Known(PrincipalAttributes.Namespace, name == principal.Namespace));
        if (subject.Lattice is { } lattice) judged.Add(Known(PrincipalAttributes.Lattice, lattice == principal.Lattice));
        return permits ? judged.TrueForAll(known => known == true) : judged.TrueForAll(known => known != false);
    }

    private static bool Under(SpiffeId id, SpiffeIdPrefix prefix) => $"{id}/".StartsWith(prefix.Text + "/", StringComparison.Ordinal);

    private static void Add(uint[] into, uint[] bits)
    {
        for (var i = 0; i < into.Length; i++) into[i] |= bits[i];
    }

    private static void Keep(uint[] into, uint[] bits)
    {
        for (var i = 0; i < into.Length; i++) into[i] &= bits[i];
    }

    private static void Remove(uint[] from, uint[] bits)
    {
        for (var i = 0; i < from.Length; i++) from[i] &= ~bits[i];
    }

    // The world's capabilities are few and always the same objects.
    private sealed class ReferenceOrValue : IEqualityComparer<(Capability, bool)>
    {
        public static readonly ReferenceOrValue Instance = new();

        public bool Equals((Capability, bool) x, (Capability, bool) y) => ReferenceEquals(x.Item1, y.Item1) && x.Item2 == y.Item2;

        public int GetHashCode((Capability, bool) key) => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(key.Item1) * 2 + (key.Item2 ? 1 : 0);
    }
}
