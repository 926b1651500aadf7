using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// At most 64 callers, so that a set of them is one number, and subjects about them. Of each sort of callers that the subjects can tell apart
/// there is one: what is so for all of them is so for everybody.
/// </summary>
internal sealed class CallerBoard
{
    private static readonly ComponentDigest One = ComponentDigest.Parse("sha256:" + new string('1', 64));
    private static readonly ComponentDigest Two = ComponentDigest.Parse("sha256:" + new string('2', 64));

    private static readonly Attribute Digests = new(
        [subject => subject with { Digest = One }],
        [caller => caller with { Digest = One }, caller => caller with { Digest = Two }, Untold(PrincipalAttributes.Digest)]);

    // Two that exclude each other: forbids of both hold where neither can be told.
    private static readonly Attribute TwoDigests = new(
        [subject => subject with { Digest = One }, subject => subject with { Digest = Two }],
        [caller => caller with { Digest = One }, caller => caller with { Digest = Two }, caller => caller, Untold(PrincipalAttributes.Digest)]);

    private static readonly Attribute Signers = new(
        [subject => subject with { Signer = SignerName.Parse("k1") }, subject => subject with { Signer = SignerName.Parse("k2") }],
        [SignedBy(), SignedBy("k1"), SignedBy("k2"), SignedBy("k1", "k2"), Untold(PrincipalAttributes.Signer)]);

    private static readonly Attribute Images = new(
        [From("r.io/a/x:1"), From($"r.io/a/x@{One}"), From("r.io/a/y:1")],
        [Has("r.io/a/x:1"), Has("r.io/a/x:2"), Has($"r.io/a/x@{One}"), Has($"r.io/a/x@{Two}"), Has("r.io/a/x"), Has("r.io/a/y:1"), Has("r.io/a/y:2"), Has("r.io/ab:1"), caller => caller, Untold(PrincipalAttributes.Image)]);

    private static readonly Attribute ImagePrefixes = new(
        [subject => subject with { ImagePrefix = ImagePrefix.Parse("r.io") }, subject => subject with { ImagePrefix = ImagePrefix.Parse("r.io/a") }], [caller => caller]);

    private static readonly Attribute Hosts = new(
        [
            subject => subject with { Host = SpiffeId.Parse("spiffe://t/h/1") }, subject => subject with { Host = SpiffeId.Parse("spiffe://t/h/2") },
            subject => subject with { HostPrefix = SpiffeIdPrefix.Parse("spiffe://t/h") },
        ],
        [On("t/h/1"), On("t/h/2"), On("t/h/3"), caller => caller, Untold(PrincipalAttributes.Host)]);

    private static readonly Attribute Namespaces = new(
        [subject => subject with { Namespace = "shop" }],
        [caller => caller with { Namespace = "shop" }, caller => caller with { Namespace = "bank" }, Untold(PrincipalAttributes.Namespace)]);

    private static readonly Attribute TwoNamespaces = new(
        [subject => subject with { Namespace = "shop" }, subject => subject with { Namespace = "bank" }],
        [caller => caller with { Namespace = "shop" }, caller => caller with { Namespace = "bank" }, caller => caller, Untold(PrincipalAttributes.Namespace)]);

    private static readonly Attribute Lattices = new(
        [subject => subject with { Lattice = "east" }],
        [caller => caller with { Lattice = "east" }, caller => caller, Untold(PrincipalAttributes.Lattice)]);

    private static readonly string[] FewIds = ["t/a", "t/a/b", "t/ab", "u/a"];
    private static readonly Func<PolicySubject, PolicySubject>[] Few = [Named("t/a"), Under("t"), Under("t/a")];

    public static readonly ImmutableArray<CallerBoard> All =
    [
        new(FewIds, Few, Digests, Signers),
        new(FewIds, Few, Images, ImagePrefixes),
        new(FewIds, Few, Hosts, Namespaces),
        new(FewIds, Few, Lattices, TwoDigests),
        new(
            ["t/a", "t/a/b", "t/a/b/c", "t/a/x", "t/ab", "u/a", "u/ab", "v/a"],
            [Named("t/a"), Named("t/a/b"), Named("u/a"), Under("t"), Under("t/a"), Under("t/a/b"), Under("u")], TwoNamespaces),
    ];

    private readonly ulong[] _permitted;
    private readonly ulong[] _forbidden;
    private readonly Dictionary<PolicySubject, int> _numbers;
    private readonly Dictionary<PolicySubject, ulong> _others = [];

    private CallerBoard(string[] ids, Func<PolicySubject, PolicySubject>[] whos, params Attribute[] attributes)
    {
        IEnumerable<Principal> callers = ids.Select(id => new Principal { Id = SpiffeId.Parse("spiffe://" + id) });
        IEnumerable<PolicySubject> subjects = whos.Select(who => who(new())).Prepend(new());
        foreach (var attribute in attributes)
        {
            callers = callers.SelectMany(caller => attribute.Told.Select(told => told(caller)));
            subjects = subjects.SelectMany(subject => attribute.Stated.Select(stated => stated(subject)).Prepend(subject));
        }

        Callers = [.. callers];
        if (Callers.Length > 64) throw new InvalidOperationException($"{Callers.Length} callers do not fit into one number");
        // The parser refuses a subject that nobody can be.
        Subjects = [.. subjects.Where(subject => subject != new PolicySubject() && Meant(subject, permits: true) != 0)];
        _permitted = [.. Subjects.Select(subject => Meant(subject, permits: true))];
        _forbidden = [.. Subjects.Select(subject => Meant(subject, permits: false))];
        _numbers = Subjects.Select((subject, number) => (subject, number)).ToDictionary(pair => pair.subject, pair => pair.number);
    }

    public ImmutableArray<Principal> Callers { get; }

    public ImmutableArray<PolicySubject> Subjects { get; }

    /// <summary>The callers that a subject of the board means, for a permit or for a forbid.</summary>
    public ulong Meant(int subject, bool permits) => permits ? _permitted[subject] : _forbidden[subject];

    public int NumberOf(PolicySubject subject) => _numbers[subject];

    /// <summary>The callers that a permit for any subject means.</summary>
    public ulong Permitted(PolicySubject subject)
    {
        if (!_others.TryGetValue(subject, out var callers)) _others.Add(subject, callers = Meant(subject, permits: true));
        return callers;
    }

    /// <summary>The callers that any subject may mean, as far as they are told.</summary>
    public ulong MayBe(PolicySubject subject) => Meant(subject, permits: false);

    private ulong Meant(PolicySubject subject, bool permits)
    {
        var callers = 0ul;
        for (var i = 0; i < Callers.Length; i++) callers |= Enumeration.Means(subject, Callers[i], permits) ? 1ul << i : 0;
        return callers;
    }

    private static Func<PolicySubject, PolicySubject> Named(string id) => subject => subject with { SpiffeId = SpiffeId.Parse("spiffe://" + id) };

    private static Func<PolicySubject, PolicySubject> Under(string id) => subject => subject with { SpiffeIdPrefix = SpiffeIdPrefix.Parse("spiffe://" + id) };

    private static Func<PolicySubject, PolicySubject> From(string image) => subject => subject with { Image = ImageReference.Parse(image) };

    private static Func<Principal, Principal> Has(string image) => caller => caller with { Image = ImageReference.Parse(image) };

    private static Func<Principal, Principal> On(string host) => caller => caller with { Host = SpiffeId.Parse("spiffe://" + host) };

    private static Func<Principal, Principal> SignedBy(params string[] signers) => caller => caller with { Signers = [.. signers.Select(SignerName.Parse)] };

    private static Func<Principal, Principal> Untold(PrincipalAttributes attribute) => caller => caller with { Unknown = caller.Unknown | attribute };

    /// <param name="Stated">What subjects may say of it, at most one of these each.</param>
    /// <param name="Told">What callers have of it, one of these each.</param>
    private sealed record Attribute(Func<PolicySubject, PolicySubject>[] Stated, Func<Principal, Principal>[] Told);
}
