using System.Runtime.ExceptionServices;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Identity.Issuance;
using Identity.Server.Ledger;
using Identity.Server.Telemetry;
using Spiffe.Net;
using AuthorityKind = Identity.Ledger.V1.Authority.Types.Kind;
using State = Identity.Ledger.V1.Authority.Types.State;

namespace Identity.Server.Authority;

/// <summary>
/// The only three ways to a signature in this process. Each prepares a draft, makes the intent durable in the ledger, and only then signs:
/// a crash at any step leaves at worst a recorded credential that does not exist.
/// </summary>
internal sealed class SigningAuthority
{
    // What the SPIFFE specification suggests to readers that are not pushed to.
    private static readonly TimeSpan RefreshHint = TimeSpan.FromMinutes(5);

    private readonly ControlPlaneLedger _ledger;
    private readonly IAuthorityKeys _keys;
    private readonly AuthorityJournal _journal;
    private readonly AuthorityOptions _options;
    private readonly TimeProvider _time;
    private volatile ActiveIssuers _issuers;
    private ulong _loadedRevision;
    private volatile PublishedBundle? _published;
    private volatile string? _fault;

    private SigningAuthority(
        ControlPlaneLedger ledger, IAuthorityKeys keys, AuthorityJournal journal, TrustDomain trustDomain, AuthorityOptions options, TimeProvider time)
    {
        _options = options;
        _ledger = ledger;
        _keys = keys;
        _journal = journal;
        _time = time;
        TrustDomain = trustDomain;
        _loadedRevision = ledger.State.AuthorityRevision;
        _issuers = ActiveIssuers.Load(ledger.State, keys, trustDomain);
    }

    public TrustDomain TrustDomain { get; }

    /// <summary>Why a key signs no more: it made a signature that does not verify. Null as long as none did; ends with the process.</summary>
    public string? Fault => _fault;

    public DateTimeOffset X509AuthorityExpiresAt => _issuers.Svids.Authority.NotAfter;

    public DateTimeOffset JwtAuthorityExpiresAt => _issuers.Tokens.Authority.NotAfter;

    public bool IssuesWitSvids => _issuers.WitTokens is not null;

    /// <summary>Makes the authorities on the first start, loads them on every other, and takes the steps that became due meanwhile.</summary>
    /// <exception cref="CannotStartException">A key is missing or does not belong to what the ledger names.</exception>
    public static Task<SigningAuthority> OpenAsync(
        ControlPlaneLedger ledger, IAuthorityKeys keys, TrustDomain trustDomain, TimeProvider time, CancellationToken cancellation = default) =>
        OpenAsync(ledger, keys, trustDomain, AuthorityOptions.Default, time, cancellation);

    /// <inheritdoc cref="OpenAsync(ControlPlaneLedger, IAuthorityKeys, TrustDomain, TimeProvider, CancellationToken)"/>
    public static async Task<SigningAuthority> OpenAsync(
        ControlPlaneLedger ledger,
        IAuthorityKeys keys,
        TrustDomain trustDomain,
        AuthorityOptions options,
        TimeProvider time,
        CancellationToken cancellation = default)
    {
        var journal = new AuthorityJournal(ledger, keys, trustDomain, options, time);
        await journal.EstablishAsync(cancellation);
        var authority = new SigningAuthority(ledger, keys, journal, trustDomain, options, time);
        await authority.RotateAsync(cancellation);
        return authority;
    }

    /// <summary>What to trust, as of a state.</summary>
    public TrustBundle Bundle(ControlPlaneState state)
    {
        var published = _published;
        if (published?.Revision != state.AuthorityRevision)
        {
            published = new PublishedBundle(state.AuthorityRevision, Publish(state));
            _published = published;
        }
        return published.Bundle;
    }

    /// <summary>What to trust now.</summary>
    public TrustBundleSet Bundles() => new(Bundle(_ledger.State));

    /// <exception cref="IOException">The intent could not be recorded; nothing was signed.</exception>
    public async Task<X509Signing> SignX509Async(X509SigningRequest request, CancellationToken cancellation)
    {
        var issuers = _issuers;
        var issuer = request.IsLongLived ? issuers.LongLivedSvids : issuers.Svids;
        var revision = _ledger.State.Revision;
        var now = _time.GetUtcNow();
        if (EndsTooSoon(request.Until, now) is { } tooSoon) return new X509Signing.Refused(tooSoon);
        var lifetime = Bounded(request.Lifetime, IssuanceProfile.Default.DefaultX509Lifetime, request.Until, now);
        var preparation = issuer.Prepare(
            new X509SvidRequest(request.Id, request.PublicKey)
            {
                DnsNames = request.DnsNames,
                IpAddresses = request.IpAddresses,
                Lifetime = lifetime,
                Jitter = request.Jitter,
            },
            now);
        if (preparation is not X509SvidPreparation.Prepared(var draft))
        {
            return new X509Signing.Refused(preparation is X509SvidPreparation.Refused(var reason) ? reason : "no draft");
        }
        await _ledger.RecordIssuanceAsync(
            new IssuanceRecord
            {
                At = Timestamp.FromDateTimeOffset(now),
                Kind = request.Kind,
                SpiffeId = draft.Id.ToString(),
                SerialOrJti = draft.SerialNumber.ToLowerInvariant(),
                KeyHash = ByteString.CopyFrom(draft.KeyHash.Span),
                NotBefore = Timestamp.FromDateTimeOffset(draft.NotBefore),
                NotAfter = Timestamp.FromDateTimeOffset(draft.NotAfter),
                Requester = request.Requester,
                EntryId = request.EntryId,
                AuthorityId = issuer.Authority.Id,
                Revision = revision,
            },
            cancellation);
        var svid = Sign(issuer.Issue, draft);
        ServerTelemetry.CountIssued(request.Kind);
        return new X509Signing.Issued(svid);
    }

    /// <exception cref="IOException">The intent could not be recorded; nothing was signed.</exception>
    public async Task<JwtSigning> SignJwtAsync(JwtSigningRequest request, CancellationToken cancellation)
    {
        var issuer = IssuerFor(request.Audience);
        var revision = _ledger.State.Revision;
        var now = _time.GetUtcNow();
        if (EndsTooSoon(request.Until, now) is { } tooSoon) return new JwtSigning.Refused(tooSoon, IsAboutRequest: false);
        var lifetime = Bounded(request.Lifetime, IssuanceProfile.Default.DefaultJwtLifetime, request.Until, now);
        var preparation = issuer.Prepare(new JwtSvidRequest(request.Id, request.Audience, lifetime), now);
        if (preparation is not JwtSvidPreparation.Prepared(var draft))
        {
            return preparation is JwtSvidPreparation.Refused(var reason, var isAboutRequest)
                ? new JwtSigning.Refused(reason, isAboutRequest)
                : new JwtSigning.Refused("no draft", IsAboutRequest: false);
        }
        var intent = new IssuanceRecord
        {
            At = Timestamp.FromDateTimeOffset(now),
            Kind = IssuanceRecord.Types.Kind.JwtSvid,
            SpiffeId = draft.Id.ToString(),
            SerialOrJti = draft.TokenId,
            NotBefore = Timestamp.FromDateTimeOffset(draft.IssuedAt),
            NotAfter = Timestamp.FromDateTimeOffset(draft.ExpiresAt),
            Requester = request.Requester,
            EntryId = request.EntryId,
            AuthorityId = issuer.Authority.KeyId,
            Revision = revision,
        };
        intent.Audience.AddRange(draft.Audience);
        await _ledger.RecordIssuanceAsync(intent, cancellation);
        var svid = Sign(issuer.Issue, draft);
        ServerTelemetry.CountIssued(IssuanceRecord.Types.Kind.JwtSvid);
        return new JwtSigning.Issued(svid);
    }

    /// <exception cref="IOException">The intent could not be recorded; nothing was signed.</exception>
    public async Task<WitSigning> SignWitAsync(WitSigningRequest request, CancellationToken cancellation)
    {
        if (_issuers.WitTokens is not { } issuer)
        {
            return new WitSigning.Off();
        }
        var revision = _ledger.State.Revision;
        var now = _time.GetUtcNow();
        if (EndsTooSoon(request.Until, now) is { } tooSoon) return new WitSigning.Refused(tooSoon);
        var lifetime = Bounded(request.Lifetime, IssuanceProfile.Default.DefaultX509Lifetime, request.Until, now);
        var preparation = issuer.Prepare(new WitSvidRequest(request.Id, request.ProofKey, lifetime), now);
        if (preparation is not WitSvidPreparation.Prepared(var draft))
        {
            return new WitSigning.Refused(preparation is WitSvidPreparation.Refused(var reason) ? reason : "no draft");
        }
        await _ledger.RecordIssuanceAsync(
            new IssuanceRecord
            {
                At = Timestamp.FromDateTimeOffset(now),
                Kind = IssuanceRecord.Types.Kind.WitSvid,
                SpiffeId = draft.Id.ToString(),
                SerialOrJti = draft.TokenId,
                KeyHash = ByteString.CopyFrom(draft.KeyHash.Span),
                NotBefore = Timestamp.FromDateTimeOffset(draft.IssuedAt),
                NotAfter = Timestamp.FromDateTimeOffset(draft.ExpiresAt),
                Requester = request.Requester,
                EntryId = request.EntryId,
                AuthorityId = issuer.Authority.KeyId,
                Revision = revision,
            },
            cancellation);
        var svid = Sign(issuer.Issue, draft);
        ServerTelemetry.CountIssued(IssuanceRecord.Types.Kind.WitSvid);
        return new WitSigning.Issued(svid);
    }

    /// <summary>
    /// Takes every step that is due. Called by one caller at a time. Returns when the next is. A kind whose step fails keeps no other from its own:
    /// a root that cannot sign must not let token keys expire. The first failure is thrown in the end.
    /// </summary>
    public async Task<DateTimeOffset> RotateAsync(CancellationToken cancellation)
    {
        ExceptionDispatchInfo? failure = null;
        foreach (var kind in _journal.Kinds)
        {
            try
            {
                while (await _journal.StepAsync(kind, _issuers, cancellation)) LoadIssuers();
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                if (e is SignatureFaultException fault) Report(fault);
                failure ??= ExceptionDispatchInfo.Capture(e);
            }
        }

        try
        {
            // A step may have been taken before, and the keys have been unreadable at that moment.
            LoadIssuers();
        }
        catch (CannotStartException e)
        {
            failure ??= ExceptionDispatchInfo.Capture(e);
        }

        failure?.Throw();
        return _journal.NextChange();
    }

    private static string? EndsTooSoon(DateTimeOffset? until, DateTimeOffset now) =>
        until - now < IssuanceProfile.ShortestLifetime ? $"what the SVID rests on ends at {until:O}; the shortest lifetime is {IssuanceProfile.ShortestLifetime}" : null;

    private static TimeSpan? Bounded(TimeSpan? lifetime, TimeSpan byDefault, DateTimeOffset? until, DateTimeOffset now) =>
        until - now is { } left && left < (lifetime ?? byDefault) ? left : lifetime;

    private void LoadIssuers()
    {
        var state = _ledger.State;
        if (_loadedRevision == state.AuthorityRevision) return;
        _issuers = ActiveIssuers.Load(state, _keys, TrustDomain, _issuers);
        _loadedRevision = state.AuthorityRevision;
    }

    // One such audience is enough: whoever takes RS256 only could not verify the token else, and everyone takes RS256.
    private JwtSvidIssuer IssuerFor(IReadOnlyList<string> audience)
    {
        var issuers = _issuers;
        return issuers.Rs256Tokens is { } rs256 && audience.Any(_options.Rs256Audiences.Contains) ? rs256 : issuers.Tokens;
    }

    private TSvid Sign<TDraft, TSvid>(Func<TDraft, TSvid> issue, TDraft draft)
    {
        try
        {
            return issue(draft);
        }
        catch (SignatureFaultException fault)
        {
            Report(fault);
            throw;
        }
    }

    private void Report(SignatureFaultException fault)
    {
        _fault = fault.Message;
        ServerTelemetry.SignatureFaults.Add(1);
    }

    private TrustBundle Publish(ControlPlaneState state)
    {
        var trusted = state.Authorities.Values
            .Where(a => a.State is State.Prepared or State.Active or State.Old)
            .OrderBy(a => a.NotBefore.Seconds).ThenBy(a => a.Id, StringComparer.Ordinal)
            .ToList();
        var roots = trusted.Where(a => a.Kind == AuthorityKind.X509Root).Select(a => a.PublicPart.Memory).ToList();
        var tokens = trusted.Where(a => a.Kind is AuthorityKind.Jwt or AuthorityKind.JwtRs256).Select(a =>
            JwtAuthority.TryCreate(a.Id, a.PublicPart.Memory, out var key, out var flaw) ? key : throw new InvalidDataException(flaw)).ToList();
        var witTokens = trusted.Where(a => a.Kind == AuthorityKind.Wit).Select(a =>
            WitAuthority.TryCreate(a.Id, a.PublicPart.Memory, out var key, out var flaw) ? key : throw new InvalidDataException(flaw)).ToList();
        return TrustBundle.TryCreate(TrustDomain, roots, tokens, witTokens, state.AuthorityRevision, RefreshHint, out var bundle, out var problem)
            ? bundle
            : throw new InvalidDataException(problem);
    }

    private sealed record PublishedBundle(ulong Revision, TrustBundle Bundle);
}
