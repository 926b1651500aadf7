using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Agent.Admission;
using Identity.Agent.SvidCache;
using Identity.Agent.WorkloadAttestation;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;
using Status = Grpc.Core.Status;

namespace Identity.Agent.WorkloadApi;

/// <summary>The SPIFFE Workload API: X.509 and JWT profiles, and the WIT profile where it is turned on (§7: all of its calls, or none).</summary>
internal sealed class WorkloadApiService(
    AgentOptions options,
    WorkloadEntitlements entitlements,
    AudienceDoor audiences,
    X509SvidCache x509Svids,
    JwtSvidCache jwtSvids,
    WitSvidCache witSvids,
    ChangeFeed changes,
    WorkloadApiStreams streams,
    TimeProvider time) : SpiffeWorkloadAPI.SpiffeWorkloadAPIBase
{
    private static readonly TimeSpan LastWrite = TimeSpan.FromSeconds(1);

    public override Task FetchX509SVID(X509SVIDRequest request, IServerStreamWriter<X509SVIDResponse> responseStream, ServerCallContext context) =>
        StreamAsync(responseStream, context, (entitlement, sent, _) =>
        {
            // All are asked for before any is waited for, so that the server signs them together.
            var svids = new CachedX509Svid?[entitlement.Entries.Length];
            var isWhole = true;
            for (var i = 0; i < svids.Length; i++) isWhole &= x509Svids.TryGet(entitlement.Entries[i], out svids[i]);
            if (!isWhole) return null;
            if (MayTell(entitlement, svids, sent)) return Task.FromResult(entitlement.X509(svids));
            // Entitled but not issued is the server's absence, not a refusal. Who has some of it keeps that, while it is not the server's last word: of a stream that will have
            // nothing more to tell the client must hear.
            return sent is not null && IsAllGranted(sent, entitlement) && !x509Svids.IsRefused(entitlement.Entries[0])
                ? null
                : throw new RpcException(new Status(StatusCode.Unavailable, "an X509-SVID of the calling process cannot be had from the server now; retry"));
        });

    public override Task FetchX509Bundles(X509BundlesRequest request, IServerStreamWriter<X509BundlesResponse> responseStream, ServerCallContext context) =>
        StreamAsync(responseStream, context, static (entitlement, _, _) => Task.FromResult(entitlement.X509Bundles));

    public override Task FetchJWTBundles(JWTBundlesRequest request, IServerStreamWriter<JWTBundlesResponse> responseStream, ServerCallContext context) =>
        StreamAsync(responseStream, context, static (entitlement, _, _) => Task.FromResult(entitlement.JwtBundles));

    public override async Task<JWTSVIDResponse> FetchJWTSVID(JWTSVIDRequest request, ServerCallContext context)
    {
        if (Audiences.FindProblem(request.Audience) is { } problem) throw InvalidArgument(problem);
        var named = NamedIn(request.SpiffeId);
        var peer = PeerOf(context);
        var entitlement = await entitlements.DemandAsync(peer);
        var entries = entitlement.Entries.Where(e => named is null || e.SpiffeId == named).ToList();
        if (entries.Count == 0) throw entitlements.DenyNamed(entitlement.View, peer!, named!.ToString());

        // Policy has no say in what a process asks tokens for, but where a rule forbids it.
        V1.Decision? refusal = null;
        entries.RemoveAll(e => audiences.RefuseProcess(entitlement.View, e.SpiffeId, peer!.Uid, request.Audience) is { } no && (refusal ??= no) is not null);
        if (entries.Count == 0) throw WorkloadEntitlements.Denied(refusal!);

        var tokens = await Task.WhenAll(entries.Select(e => jwtSvids.GetAsync(e, request.Audience, context.CancellationToken).AsTask()));
        var hints = new HashSet<string>(StringComparer.Ordinal);
        return new JWTSVIDResponse
        {
            Svids = { entries.Zip(tokens, (e, token) => new JWTSVID { SpiffeId = e.SpiffeId.ToString(), Svid = token, Hint = SvidMessages.HintOf(e, hints) }) },
        };
    }

    public override Task FetchWITSVID(WITSVIDRequest request, IServerStreamWriter<WITSVIDResponse> responseStream, ServerCallContext context)
    {
        if (!options.ServesWitSvids) return base.FetchWITSVID(request, responseStream, context);
        var named = NamedIn(request.SpiffeId);
        return StreamAsync(responseStream, context, async (entitlement, _, cancellation) =>
        {
            var entries = entitlement.Entries.Where(e => named is null || e.SpiffeId == named).ToList();
            if (entries.Count == 0) throw entitlements.DenyNamed(entitlement.View, PeerOf(context)!, named!.ToString());
            return SvidMessages.Wit(entries, await Task.WhenAll(entries.Select(e => witSvids.GetAsync(e, cancellation).AsTask())));
        });
    }

    public override Task FetchWITBundles(WITBundlesRequest request, IServerStreamWriter<WITBundlesResponse> responseStream, ServerCallContext context) =>
        options.ServesWitSvids
            ? StreamAsync(responseStream, context, static (entitlement, _, _) => Task.FromResult(entitlement.WitBundles))
            : base.FetchWITBundles(request, responseStream, context);

    // Needs no identity of the caller: for the own trust domain it gives nothing away but what the bundle says (as SPIRE). Tokens of another trust domain are
    // judged only for who is entitled to its bundle.
    public override async Task<ValidateJWTSVIDResponse> ValidateJWTSVID(ValidateJWTSVIDRequest request, ServerCallContext context)
    {
        if (request.Audience.Length == 0) throw InvalidArgument("audience is empty");
        if (request.Svid.Length == 0) throw InvalidArgument("svid is empty");
        var peer = PeerOf(context);
        var bundles = (await entitlements.FindAsync(peer))?.Trusted ?? entitlements.CurrentView().Bundles;
        var verification = JwtSvidVerifier.Verify(request.Svid, request.Audience, bundles, time.GetUtcNow());
        if (verification is not JwtSvidVerification.Verified verified)
            throw InvalidArgument(verification is JwtSvidVerification.Refused refused ? refused.Reason : "the token is not valid");
        try
        {
            var claims = Struct.Parser.ParseJson(System.Text.Encoding.UTF8.GetString(verified.Svid.ClaimsJson.Span));
            return new ValidateJWTSVIDResponse { SpiffeId = verified.Id.ToString(), Claims = claims };
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or InvalidJsonException)
        {
            // Neither message is repeated: they quote the claims.
            throw InvalidArgument("the token's claims are nested too deeply, or hold a number that is out of range");
        }
    }

    /// <summary>Attest, look, send when it differs from what was sent; again at each change, until the caller leaves, ends or is no longer entitled.</summary>
    /// <param name="compose">Of what was sent before, null at first. Null where there is no answer yet and a change will tell of it, so that a thousand streams that wait for one SVID wake once.</param>
    private async Task StreamAsync<T>(IServerStreamWriter<T> responses, ServerCallContext context, Func<Entitlement, T?, CancellationToken, Task<T>?> compose)
        where T : class, IMessage<T>
    {
        var peer = PeerOf(context);
        if (peer is null) throw entitlements.DenyUnidentified();
        using var over = streams.UntilOver(peer, context.CancellationToken);
        T? sent = null;
        Entitlement? entitlement = null;
        try
        {
            // The moment is taken before looking: a change that comes while this one is looked at, or written to a slow reader, is not missed, and many become one.
            for (var change = changes.Current; ; change = await NextAsync(change, over.Token))
            {
                // The renewal of somebody else's SVID: nothing moved here.
                if (sent is not null && entitlements.StillHolds(entitlement) && compose(entitlement, sent, over.Token) is { IsCompletedSuccessfully: true } same && ReferenceEquals(same.Result, sent)) continue;

                // A new stream looks for itself: what was found out at the last change may have been about the program that the process was then.
                entitlement = await entitlements.DemandAsync(peer, sent is null ? null : change).WaitAsync(over.Token);
                over.Token.ThrowIfCancellationRequested();
                if (compose(entitlement, sent, over.Token) is not { } composing) continue;
                // Composing may have to wait for the server. Meanwhile the answer may become another, such as a refusal.
                if (!composing.IsCompleted) await Task.WhenAny(composing, change.Passed).WaitAsync(over.Token);
                if (!composing.IsCompleted) continue;
                var response = await composing;
                if (!response.Equals(sent)) await WriteAsync(responses, response, context, peer, entitlement, change, over.Token);
                sent = response;
            }
        }
        catch (OperationCanceledException) when (peer.Process.Ended.IsCancellationRequested && !context.CancellationToken.IsCancellationRequested)
        {
            // Its socket is still read: by a child, or by whom it was handed to.
            throw entitlements.DenyEnded(peer);
        }
    }

    // gRPC resets a stream whose write is cancelled. Who is just reading it is to have the refusal that comes after it, and who does not read is cut off: with what it
    // has not read, for it may not be entitled to that any more.
    private async Task WriteAsync<T>(IServerStreamWriter<T> responses, T response, ServerCallContext context, PeerConnection peer, Entitlement entitlement, Change change, CancellationToken over)
    {
        var writing = responses.WriteAsync(response, context.CancellationToken);
        try
        {
            while (await Task.WhenAny(writing, change.Passed).WaitAsync(over) != writing)
            {
                change = changes.Current;
                var now = await entitlements.DemandAsync(peer, change).WaitAsync(over);
                if (entitlement.Entries.Any(entry => now.Entries.All(other => other.Id != entry.Id || other.SpiffeId != entry.SpiffeId)))
                    throw new RpcException(new Status(StatusCode.Unavailable, "what is on its way is not all this process's any more; ask again"));
            }

            await writing;
        }
        catch (Exception) when (!writing.IsCompleted)
        {
            if (await Task.WhenAny(writing, Task.Delay(LastWrite, time, CancellationToken.None)) != writing) context.GetHttpContext().Abort();
            throw;
        }
    }

    private async ValueTask<Change> NextAsync(Change change, CancellationToken cancellation)
    {
        await change.Passed.WaitAsync(cancellation);
        return changes.Current;
    }

    // §4.3, §5.2.1: the full set, for what is left out is taken from who has it, and never without the first, or another would be the default (§8). What the server
    // refuses for good it does not grant; and what was taken away ends now, whatever else is lacking.
    private bool MayTell(Entitlement entitlement, CachedX509Svid?[] svids, X509SVIDResponse? sent) =>
        svids[0] is not null
        && (!svids.Where((svid, i) => svid is null && !x509Svids.IsRefused(entitlement.Entries[i])).Any() || (sent is not null && !IsAllGranted(sent, entitlement)));

    private static bool IsAllGranted(X509SVIDResponse sent, Entitlement entitlement) =>
        sent.Svids.All(svid => entitlement.Entries.Any(entry => entry.SpiffeId.ToString() == svid.SpiffeId));

    private static SpiffeId? NamedIn(string spiffeId)
    {
        if (spiffeId.Length == 0) return null;
        return SpiffeId.TryParse(spiffeId, out var named, out var problem) ? named : throw InvalidArgument($"spiffe_id: {problem}");
    }

    /// <summary>Null for a caller by TCP, who is nobody.</summary>
    private static PeerConnection? PeerOf(ServerCallContext context) => context.GetHttpContext().Features.Get<PeerConnection>();

    private static RpcException InvalidArgument(string problem) => new(new Status(StatusCode.InvalidArgument, problem));
}
