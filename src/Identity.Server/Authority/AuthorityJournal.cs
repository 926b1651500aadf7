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
/// lifecycle sees that the active one is not wanted, and does the rest. RS256 keys for named audiences come and go beside them.
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
        var jwt = NewJwt(Kind.Jwt, State.Active);
        Change[] rs256 = SignsRs256 ? [Set(NewJwt(Kind.JwtRs256, State.Active))] : [];
        Change[] wit = options.IssuesWitSvids ? [Set(NewWit(State.Active))] : [];
        await AppendAsync("first start: new authorities", cancellation, [Set(rootRecord), Set(issuing), Set(jwt), .. rs256, .. wit]);
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
        var (slots, now) = (Slots(state, kind), time.GetUtcNow());
        switch (IsGivenUp(kind) ? AuthorityLifecycle.NextOfLast(slots, now) : AuthorityLifecycle.Next(slots, now))
        {
            case AuthorityStep.Prepare:
                var prepared = kind switch
                {
                    Kind.X509Root => NewRoot(State.Prepared).Record,
                    Kind.X509Issuing => NewIssuing(issuers.Root, State.Prepared),
                    Kind.Wit => NewWit(State.Prepared),
                    _ => NewJwt(kind, State.Prepared),
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
            case AuthorityStep.Retire retire:
                await AppendAsync($"no audience needs the {kind} authority any more", cancellation, Set(In(state.Authorities[retire.Id], State.Old)));
                return true;
            case AuthorityStep.Drop drop:
                var why = kind == Kind.Jwt ? $"is not of the wanted key type {options.JwtKeyType}" : "is needed by no audience any more";
                await AppendAsync($"a prepared {kind} authority {why}; it signed nothing", cancellation, new Change { AuthorityDeleted = drop.Id });
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
        return Kinds.Select(kind => IsGivenUp(kind)
            ? AuthorityLifecycle.NextChangeOfLast(Slots(state, kind), now)
            : AuthorityLifecycle.NextChange(Slots(state, kind), now)).Min();
    }

    /// <summary>The kinds that there are authorities of, or may be some left of.</summary>
    public IReadOnlyList<Kind> Kinds { get; } =
        options.IssuesWitSvids ? [Kind.X509Root, Kind.X509Issuing, Kind.Jwt, Kind.JwtRs256, Kind.Wit] : [Kind.X509Root, Kind.X509Issuing, Kind.Jwt, Kind.JwtRs256];

    private bool SignsRs256 => options.Rs256Audiences.Count > 0;

    private bool IsGivenUp(Kind kind) => kind == Kind.JwtRs256 && !SignsRs256;

    private (AuthorityRecord Record, X509Authority Root) NewRoot(State state)
    {
        X509Authority? root = null;
        keys.Create(SigningAlgorithm.Es256, key =>
        {
            var start = StartOf(options.Lifetimes.Root);
            root = X509AuthorityFactory.CreateRoot(trustDomain, key, start, start + options.Lifetimes.Root);
            return root.Id;
        });
        return (Record(root!, Kind.X509Root, state), root!);
    }

    private AuthorityRecord NewIssuing(X509Authority root, State state)
    {
        X509Authority? issuing = null;
        keys.Create(SigningAlgorithm.Es256, key =>
        {
            var start = StartOf(options.Lifetimes.Issuing);
            issuing = X509AuthorityFactory.CreateIssuing(root, key, start, start + options.Lifetimes.Issuing);
            return issuing.Id;
        });
        return Record(issuing!, Kind.X509Issuing, state);
    }

    private AuthorityRecord NewJwt(Kind kind, State state)
    {
        JwtSigningAuthority? jwt = null;
        keys.Create(kind == Kind.JwtRs256 ? SigningAlgorithm.Rs256 : options.JwtKeyType.Algorithm, key =>
        {
            var start = StartOf(options.Lifetimes.Jwt);
            jwt = JwtSigningAuthority.TryCreate(trustDomain, key, start, start + options.Lifetimes.Jwt, out var made, out var problem)
                ? made
                : throw new InvalidOperationException(problem);
            return made.KeyId;
        });
        return Record(jwt!.KeyId, kind, state, jwt.Public.SubjectPublicKeyInfo, jwt.NotBefore, jwt.NotAfter);
    }

    private AuthorityRecord NewWit(State state)
    {
        WitSigningAuthority? wit = null;
        keys.Create(SigningAlgorithm.Es256, key =>
        {
            var start = StartOf(options.Lifetimes.Wit);
            wit = WitSigningAuthority.TryCreate(trustDomain, key, start, start + options.Lifetimes.Wit, out var made, out var problem)
                ? made
                : throw new InvalidOperationException(problem);
            return made.KeyId;
        });
        return Record(wit!.KeyId, Kind.Wit, state, wit.Public.SubjectPublicKeyInfo, wit.NotBefore, wit.NotAfter);
    }

    // Whole seconds, as certificates have them.
    private DateTimeOffset StartOf(TimeSpan lifetime) => DateTimeOffset.FromUnixTimeSeconds((time.GetUtcNow() - Backdating.Of(lifetime)).ToUnixTimeSeconds());

    private async Task AppendAsync(string reason, CancellationToken cancellation, params Change[] changes)
    {
        var transaction = new Transaction { Author = Author, Reason = reason };
        transaction.Changes.AddRange(changes);
        await ledger.AppendAsync(transaction, expectedRevision: null, cancellation);
    }

    private List<AuthoritySlot> Slots(ControlPlaneState state, Kind kind)
    {
        var slots = state.Authorities.Values.Where(a => a.Kind == kind).Select(Slot).ToList();
        if (kind != Kind.JwtRs256 || IsGivenUp(kind) || slots.Any(slot => slot.State is AuthorityState.Active)) return slots;

        // Until audiences have an RS256 key, the JWT key signs in its place: the first one has a head start as any successor of another type has.
        var standIn = state.Authorities.Values.FirstOrDefault(a => a.Kind == Kind.Jwt && a.State == State.Active && time.GetUtcNow() < a.NotAfter.ToDateTimeOffset());
        return standIn is null ? slots : [.. slots, Slot(standIn) with { IsWanted = false }];
    }

    private AuthoritySlot Slot(AuthorityRecord authority) => new(
        authority.Id,
        authority.State switch
        {
            State.Prepared => AuthorityState.Prepared,
            State.Active => AuthorityState.Active,
            _ => AuthorityState.Old,
        },
        authority.NotBefore.ToDateTimeOffset(),
        authority.NotAfter.ToDateTimeOffset())
    { IsWanted = authority.Kind != Kind.Jwt || options.JwtKeyType.Fits(authority.PublicPart.Memory) };

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
