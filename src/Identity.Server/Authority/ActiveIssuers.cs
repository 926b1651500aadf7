using Identity.Issuance;
using Identity.Server.Ledger;
using Spiffe.Net;
using Kind = Identity.Ledger.V1.Authority.Types.Kind;
using State = Identity.Ledger.V1.Authority.Types.State;

namespace Identity.Server.Authority;

/// <summary>Who signs at one revision of the ledger. Immutable; swapped whole when an authority takes over.</summary>
internal sealed class ActiveIssuers
{
    // No revocation: seven days is the most the profile allows anyone.
    private static readonly IssuanceProfile LongLived = IssuanceProfile.TryCreate(
        TimeSpan.FromHours(24), TimeSpan.FromDays(7), TimeSpan.FromMinutes(5), TimeSpan.FromHours(1), out var profile, out var problem)
        ? profile
        : throw new InvalidOperationException(problem);

    private ActiveIssuers(X509Authority root, string rootId, X509Authority issuing, JwtSigningAuthority jwt, JwtSigningAuthority? rs256, WitSigningAuthority? wit)
    {
        Root = root;
        RootId = rootId;
        Svids = new X509SvidIssuer(issuing, IssuanceProfile.Default);
        LongLivedSvids = new X509SvidIssuer(issuing, LongLived);
        Tokens = new JwtSvidIssuer(jwt, IssuanceProfile.Default);
        Rs256Tokens = rs256 is null ? null : new JwtSvidIssuer(rs256, IssuanceProfile.Default);
        WitTokens = wit is null ? null : new WitSvidIssuer(wit, IssuanceProfile.Default);
    }

    /// <summary>Signs issuing certificates, nothing else.</summary>
    public X509Authority Root { get; }

    public string RootId { get; }

    public X509SvidIssuer Svids { get; }

    public X509SvidIssuer LongLivedSvids { get; }

    public JwtSvidIssuer Tokens { get; }

    /// <summary>For audiences that take RS256 only. Null when none is named, and until its first key has been published long enough.</summary>
    public JwtSvidIssuer? Rs256Tokens { get; }

    /// <summary>Null when WIT-SVIDs are off.</summary>
    public WitSvidIssuer? WitTokens { get; }

    /// <summary>Loads the active authorities and checks that prepared ones could take over.</summary>
    /// <param name="before">
    /// Who signed until now; null at the start. An authority that goes on is taken from there as it is, so that a key which made a wrong signature
    /// does not sign again for the sake of another authority's rotation.
    /// </param>
    /// <exception cref="CannotStartException">A key is missing or does not belong to what the ledger names.</exception>
    public static ActiveIssuers Load(ControlPlaneState state, IAuthorityKeys keys, TrustDomain trustDomain, ActiveIssuers? before = null)
    {
        var records = state.Authorities.Values.Where(a => a.State is State.Active or State.Prepared).ToList();
        var roots = state.Authorities.Values.Where(a => a.Kind == Kind.X509Root).ToList();
        X509Authority? root = null;
        X509Authority? issuing = null;
        JwtSigningAuthority? jwt = null;
        JwtSigningAuthority? rs256 = null;
        WitSigningAuthority? wit = null;
        // Private keys that sign nothing yet are only looked at. Those that sign no more go with the last signature that is being made.
        using var unused = new KeysToDispose();
        foreach (var record in records)
        {
            IAuthorityKey Key() => record.State == State.Active ? LoadKey(record, keys) : unused.Add(LoadKey(record, keys));

            switch (record.Kind)
            {
                case Kind.X509Root:
                    var aRoot = before?.RootId == record.Id ? before.Root : LoadX509(record, Key(), [], trustDomain);
                    root = record.State == State.Active ? aRoot : root;
                    break;
                case Kind.X509Issuing:
                    var anIssuing = before?.Svids.Authority is { } aSigner && aSigner.Id == record.Id ? aSigner : LoadX509(record, Key(), roots, trustDomain);
                    issuing = record.State == State.Active ? anIssuing : issuing;
                    break;
                case Kind.Jwt:
                    var aJwt = before?.Tokens.Authority is { } jwtSigner && jwtSigner.KeyId == record.Id ? jwtSigner : LoadJwt(record, Key(), trustDomain);
                    jwt = record.State == State.Active ? aJwt : jwt;
                    break;
                case Kind.JwtRs256:
                    var aRs256 = before?.Rs256Tokens?.Authority is { } rsaSigner && rsaSigner.KeyId == record.Id ? rsaSigner : LoadJwt(record, Key(), trustDomain);
                    rs256 = record.State == State.Active ? aRs256 : rs256;
                    break;
                case Kind.Wit:
                    var aWit = before?.WitTokens?.Authority is { } witSigner && witSigner.KeyId == record.Id ? witSigner : LoadWit(record, Key(), trustDomain);
                    wit = record.State == State.Active ? aWit : wit;
                    break;
                default:
                    throw new CannotStartException($"The ledger names the authority {record.Id} of a kind this version does not know.");
            }
        }
        return root is not null && issuing is not null && jwt is not null
            ? new ActiveIssuers(root, root.Id, issuing, jwt, rs256, wit)
            : throw new CannotStartException("The ledger has no active authority of some kind; it was not written by identityd. Restore it from a backup.");
    }

    private static X509Authority LoadX509(AuthorityRecord record, IAuthorityKey key, IReadOnlyList<AuthorityRecord> roots, TrustDomain trustDomain)
    {
        var certificate = record.PublicPart.Memory;
        var flaw = "no root in the ledger signed it";
        if (record.Kind == Kind.X509Root)
        {
            return X509Authority.TryCreate(trustDomain, key, [certificate], out var root, out var problem) ? root : throw Unfit(record, problem);
        }
        foreach (var root in roots)
        {
            if (X509Authority.TryCreate(trustDomain, key, [certificate, root.PublicPart.Memory], out var issuing, out var problem))
            {
                return issuing;
            }
            flaw = problem;
        }
        throw Unfit(record, flaw);
    }

    private static JwtSigningAuthority LoadJwt(AuthorityRecord record, IAuthorityKey key, TrustDomain trustDomain)
    {
        var belongs = key.PublicKey.SubjectPublicKeyInfo.Span.SequenceEqual(record.PublicPart.Span);
        var problem = "its key is another one";
        return belongs && JwtSigningAuthority.TryCreate(
            trustDomain, key, record.NotBefore.ToDateTimeOffset(), record.NotAfter.ToDateTimeOffset(), out var authority, out problem)
            ? authority
            : throw Unfit(record, problem!);
    }

    private static WitSigningAuthority LoadWit(AuthorityRecord record, IAuthorityKey key, TrustDomain trustDomain)
    {
        var belongs = key.PublicKey.SubjectPublicKeyInfo.Span.SequenceEqual(record.PublicPart.Span);
        var problem = "its key is another one";
        return belongs && WitSigningAuthority.TryCreate(
            trustDomain, key, record.NotBefore.ToDateTimeOffset(), record.NotAfter.ToDateTimeOffset(), out var authority, out problem)
            ? authority
            : throw Unfit(record, problem!);
    }

    private static IAuthorityKey LoadKey(AuthorityRecord record, IAuthorityKeys keys) =>
        keys.Load(record.Id, out var problem)
        ?? throw new CannotStartException(
            $"The signing key of the {Word(record.Kind)} authority {record.Id} cannot be used: {problem}. Restore the keys folder from a backup.");

    private static CannotStartException Unfit(AuthorityRecord record, string problem) => new(
        $"The {Word(record.Kind)} authority {record.Id} cannot be used: {problem}. "
        + "Start with the trust domain this data folder was made for, or restore ledger and keys from the same backup.");

    private static string Word(Kind kind) => kind switch
    {
        Kind.X509Root => "root",
        Kind.X509Issuing => "issuing",
        Kind.Jwt => "JWT",
        Kind.JwtRs256 => "RS256 JWT",
        Kind.Wit => "WIT",
        _ => "unknown",
    };

    private sealed class KeysToDispose : IDisposable
    {
        private readonly List<IAuthorityKey> _keys = [];

        public IAuthorityKey Add(IAuthorityKey key)
        {
            _keys.Add(key);
            return key;
        }

        public void Dispose() => _keys.ForEach(key => key.Dispose());
    }
}
