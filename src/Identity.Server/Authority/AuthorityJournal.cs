using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Identity.Issuance;
using Identity.Ledger.V1;
using Identity.Server.Ledger;
using Spiffe.Net;
using Kind = Identity.Ledger.V1.Authority.Types.Kind;
using State = Identity.Ledger.V1.Authority.Types.State;

namespace Identity.Server.Authority;

/// <summary>
/// Makes authorities, lets them take over and forgets them. A key is on disk before the ledger names it, and deleted only after the ledger
/// has forgotten it; so a crash leaves at worst a key that nothing was signed with. When the type of the JWT keys was set to another one, the
/// lifecycle sees that the active one is not wanted, and does the rest.
/// </summary>
internal sealed class AuthorityJournal(
    ControlPlaneLedger ledger, IAuthorityKeys keys, TrustDomain trustDomain, AuthorityOptions options, TimeProvider time)
{
    private const string Author = "server";

    /// <summary>
    /// On the first start, makes one active authority of each kind in one transaction; later does nothing, but for WIT authorities: they come
    /// and go with their setting.
    /// </summary>
    public async Task EstablishAsync(CancellationToken cancellation)
    {
        var state = ledger.State;
        if (!state.Authorities.IsEmpty)
        {
            await EstablishWitAsync(state, cancellation);
            return;
        }
        if (state.Revision != 0)
        {
            throw new CannotStartException("The ledger has records but no authority; it was not written by identityd. Restore it from a backup.");
        }
        var (rootRecord, root) = NewRoot(State.Active);
        var issuing = NewIssuing(root, State.Active);
        var jwt = NewJwt(State.Active);
        Change[] wit = options.IssuesWitSvids ? [Set(NewWit(State.Active))] : [];
        await AppendAsync("first start: new authorities", cancellation, [Set(rootRecord), Set(issuing), Set(jwt), .. wit]);
    }

    // Off means that nobody trusts what was signed while it was on: the keys leave the bundle and the disk.
    private async Task EstablishWitAsync(ControlPlaneState state, CancellationToken cancellation)
    {
        var known = state.Authorities.Values.Where(a => a.Kind == Kind.Wit).Select(a => a.Id).ToList();
        if (options.IssuesWitSvids && known.Count == 0)
        {
            await AppendAsync("WIT-SVIDs were turned on", cancellation, Set(NewWit(State.Active)));
        }
        else if (!options.IssuesWitSvids && known.Count > 0)
        {
            await AppendAsync("WIT-SVIDs were turned off", cancellation, [.. known.Select(id => new Change { AuthorityDeleted = id })]);
            known.ForEach(keys.Forget);
        }
    }

    /// <summary>Takes the next step that is due for one kind. False when none is.</summary>
    public async Task<bool> StepAsync(Kind kind, ActiveIssuers issuers, CancellationToken cancellation)
    {
        var state = ledger.State;
        switch (AuthorityLifecycle.Next(Slots(state, kind), time.GetUtcNow()))
        {
            case AuthorityStep.Prepare:
                var prepared = kind switch
                {
                    Kind.X509Root => NewRoot(State.Prepared).Record,
                    Kind.X509Issuing => NewIssuing(issuers.Root, State.Prepared),
                    Kind.Wit => NewWit(State.Prepared),
                    _ => NewJwt(State.Prepared),
                };
                await AppendAsync($"prepare the next {kind} authority", cancellation, Set(prepared));
                return true;
            case AuthorityStep.Activate activate:
                var changes = state.Authorities.Values
                    .Where(a => a.Kind == kind && a.State == State.Active)
                    .Select(a => Set(In(a, State.Old)))
                    .Append(Set(In(state.Authorities[activate.Id], State.Active)));
                await AppendAsync($"the next {kind} authority takes over", cancellation, [.. changes]);
                return true;
            case AuthorityStep.Drop drop:
                await AppendAsync(
                    $"a prepared {kind} authority is not of the wanted key type {options.JwtKeyType}; it signed nothing", cancellation, new Change { AuthorityDeleted = drop.Id });
                keys.Forget(drop.Id);
                return true;
            case AuthorityStep.Forget forget:
                await AppendAsync($"an old {kind} authority has expired", cancellation, new Change { AuthorityDeleted = forget.Id });
                keys.Forget(forget.Id);
                return true;
            default:
                return false;
        }
    }

    /// <summary>When <see cref="StepAsync"/> next has something to do.</summary>
    public DateTimeOffset NextChange()
    {
        var state = ledger.State;
        var now = time.GetUtcNow();
        return Kinds.Select(kind => AuthorityLifecycle.NextChange(Slots(state, kind), now)).Min();
    }

    /// <summary>The kinds there are authorities of.</summary>
    public IReadOnlyList<Kind> Kinds { get; } =
        options.IssuesWitSvids ? [Kind.X509Root, Kind.X509Issuing, Kind.Jwt, Kind.Wit] : [Kind.X509Root, Kind.X509Issuing, Kind.Jwt];

    private (AuthorityRecord Record, X509Authority Root) NewRoot(State state)
    {
        X509Authority? root = null;
        keys.Create(SigningAlgorithm.Es256, key =>
        {
            root = X509AuthorityFactory.CreateRoot(trustDomain, key, Start, Start + AuthorityLifetimes.Root);
            return root.Id;
        });
        return (Record(root!, Kind.X509Root, state), root!);
    }

    private AuthorityRecord NewIssuing(X509Authority root, State state)
    {
        X509Authority? issuing = null;
        keys.Create(SigningAlgorithm.Es256, key =>
        {
            issuing = X509AuthorityFactory.CreateIssuing(root, key, Start, Start + AuthorityLifetimes.Issuing);
            return issuing.Id;
        });
        return Record(issuing!, Kind.X509Issuing, state);
    }

    private AuthorityRecord NewJwt(State state)
    {
        JwtSigningAuthority? jwt = null;
        keys.Create(options.JwtKeyType.Algorithm, key =>
        {
            jwt = JwtSigningAuthority.TryCreate(trustDomain, key, Start, Start + AuthorityLifetimes.Jwt, out var made, out var problem)
                ? made
                : throw new InvalidOperationException(problem);
            return made.KeyId;
        });
        return Record(jwt!.KeyId, Kind.Jwt, state, jwt.Public.SubjectPublicKeyInfo, jwt.NotBefore, jwt.NotAfter);
    }

    private AuthorityRecord NewWit(State state)
    {
        WitSigningAuthority? wit = null;
        keys.Create(SigningAlgorithm.Es256, key =>
        {
            wit = WitSigningAuthority.TryCreate(trustDomain, key, Start, Start + AuthorityLifetimes.Wit, out var made, out var problem)
                ? made
                : throw new InvalidOperationException(problem);
            return made.KeyId;
        });
        return Record(wit!.KeyId, Kind.Wit, state, wit.Public.SubjectPublicKeyInfo, wit.NotBefore, wit.NotAfter);
    }

    // Whole seconds, as certificates have them.
    private DateTimeOffset Start => DateTimeOffset.FromUnixTimeSeconds((time.GetUtcNow() - AuthorityLifetimes.Backdating).ToUnixTimeSeconds());

    private async Task AppendAsync(string reason, CancellationToken cancellation, params Change[] changes)
    {
        var transaction = new Transaction { Author = Author, Reason = reason };
        transaction.Changes.AddRange(changes);
        await ledger.AppendAsync(transaction, expectedRevision: null, cancellation);
    }

    private IReadOnlyList<AuthoritySlot> Slots(ControlPlaneState state, Kind kind) =>
        [.. state.Authorities.Values.Where(a => a.Kind == kind).Select(a => new AuthoritySlot(
            a.Id,
            a.State switch
            {
                State.Prepared => AuthorityState.Prepared,
                State.Active => AuthorityState.Active,
                _ => AuthorityState.Old,
            },
            a.NotBefore.ToDateTimeOffset(),
            a.NotAfter.ToDateTimeOffset()) { IsWanted = kind != Kind.Jwt || options.JwtKeyType.Fits(a.PublicPart.Memory) })];

    private static AuthorityRecord Record(X509Authority authority, Kind kind, State state) =>
        Record(authority.Id, kind, state, authority.Certificate, authority.NotBefore, authority.NotAfter);

    private static AuthorityRecord Record(
        string id, Kind kind, State state, ReadOnlyMemory<byte> publicPart, DateTimeOffset notBefore, DateTimeOffset notAfter) => new()
        {
            Id = id,
            Kind = kind,
            State = state,
            PublicPart = ByteString.CopyFrom(publicPart.Span),
            NotBefore = Timestamp.FromDateTimeOffset(notBefore),
            NotAfter = Timestamp.FromDateTimeOffset(notAfter),
        };

    private static AuthorityRecord In(AuthorityRecord record, State state)
    {
        var moved = record.Clone();
        moved.State = state;
        return moved;
    }

    private static Change Set(AuthorityRecord record) => new() { AuthoritySet = record };
}
