using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Issuance;
using Identity.Policy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Spiffe.Net;
using AgentApi = Spire.Api.Server.Agent.V1;
using SvidApi = Spire.Api.Server.Svid.V1;
using Types = Spire.Api.Types;

namespace Identity.Tests.Agent;

/// <summary>A control plane on a real socket that really issues; what it tells its agents is set by the test.</summary>
internal sealed class FakeControlPlane : IAsyncDisposable
{
    public static readonly TrustDomain Domain = TrustDomain.Parse("example.org");
    public static readonly SpiffeId AgentId = SpiffeId.Parse("spiffe://example.org/spire/agent/join_token/0123");

    private readonly X509Authority _root;
    private readonly X509SvidIssuer _x509;
    private readonly JwtSvidIssuer _jwt;
    private readonly WitSvidIssuer _wit;
    private readonly ConcurrentDictionary<int, Channel<V1.Snapshot>> _subscribers = new();
    private readonly ConcurrentDictionary<string, byte> _usedTokens = new();
    private WebApplication? _app;
    private readonly Channel<bool> _refusals = Channel.CreateUnbounded<bool>();
    private int _nextSubscriber;
    private int _jwtRequests;
    private int _witRequests;
    private HeldBatches? _held;
    private Action<V1.Snapshot>? _spoilNext;

    public FakeControlPlane(TimeProvider time)
    {
        Time = time;
        var now = time.GetUtcNow();
        _root = X509AuthorityFactory.CreateRoot(Domain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), now.AddHours(-1), now.AddDays(30));
        _x509 = new X509SvidIssuer(_root, IssuanceProfile.Default);
        if (!JwtSigningAuthority.TryCreate(Domain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), now.AddHours(-1), now.AddDays(30), out var jwt, out var problem))
            throw new InvalidOperationException(problem);
        _jwt = new JwtSvidIssuer(jwt, IssuanceProfile.Default);
        if (!WitSigningAuthority.TryCreate(Domain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), now.AddHours(-1), now.AddDays(30), out var wit, out problem))
            throw new InvalidOperationException(problem);
        _wit = new WitSvidIssuer(wit, IssuanceProfile.Default);
        if (!TrustBundle.TryCreate(Domain, [_root.Root], [jwt.Public], [wit.Public], 1, null, out var bundle, out problem)) throw new InvalidOperationException(problem);
        Bundle = bundle;
    }

    public TimeProvider Time { get; }

    /// <summary>What the next snapshot tells.</summary>
    public TrustBundle Bundle { get; set; }

    public int Port { get; private set; }

    public ulong Revision { get; private set; } = 1;

    public List<Types.Entry> Entries { get; } = [];

    public List<string> Policies { get; } = [];

    /// <summary>Makes the next snapshot, and only that, one that no agent accepts.</summary>
    public void SpoilNext(Action<V1.Snapshot> how) => _spoilNext = how;

    public List<Types.Bundle> FederatedBundles { get; } = [];

    public List<ByteString> Crls { get; } = [];

    public TimeSpan Freshness { get; set; } = TimeSpan.FromHours(2);

    public StatusCode? SyncRefusal { get; set; }

    /// <summary>Why, in the words for machines, when it is PermissionDenied.</summary>
    public Types.PermissionDeniedDetails.Types.Reason RefusalReason { get; set; } = Types.PermissionDeniedDetails.Types.Reason.AgentBanned;

    /// <summary>What the trailer of such a refusal names as its decision; null for a server that names none.</summary>
    public string? RefusalDecision { get; set; }

    /// <summary>With what X509-SVIDs of these entries are refused, each by itself.</summary>
    public ConcurrentDictionary<string, StatusCode> X509Refusals { get; } = new();

    public StatusCode? JwtRefusal { get; set; }

    public StatusCode? WitRefusal { get; set; }

    /// <summary>While true, requests for tokens are taken and not answered.</summary>
    public bool IsSilentAboutJwts { get; set; }

    /// <summary>While true, no new connection is taken; those there are go on.</summary>
    public bool IsFull { get; set; }

    public SpiffeId ServerId { get; set; } = SpiffeId.Parse("spiffe://example.org/spire/server");

    public int X509Batches { get; private set; }

    public int JwtRequests => Volatile.Read(ref _jwtRequests);

    public int WitRequests => Volatile.Read(ref _witRequests);

    public int Attestations { get; private set; }

    public int Renewals { get; private set; }

    public string Traceparent { get; set; } = "";

    /// <summary>Everything the agent reported, in order.</summary>
    public Channel<V1.AgentReport> Reports { get; } = Channel.CreateUnbounded<V1.AgentReport>();

    /// <summary>From now on requests for X509-SVIDs wait, and then fail.</summary>
    public HeldBatches HoldX509Batches() => _held = new HeldBatches();

    /// <summary>They are answered again.</summary>
    public void AnswerX509Batches() => _held = null;

    public async Task StartAsync(int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(this);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            listen.UseHttps(new TlsHandshakeCallbackOptions
            {
                OnConnection = _ => IsFull ? throw new IOException("there are as many connections as may be") : ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    EnabledSslProtocols = SslProtocols.Tls13,
                    ServerCertificateContext = ContextOf(SvidOf(ServerId)), // A new one: tests move the clock beyond the life of the first.
                    ClientCertificateRequired = true,
#pragma warning disable CA5359 // A fake believes everyone; that the agent shows its certificate is checked by Sync.
                    RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
                }),
            });
        }));
        _app = builder.Build();
        _app.MapGrpcService<AgentService>();
        _app.MapGrpcService<SvidService>();
        _app.MapGrpcService<SyncService>();
        _app.MapGrpcService<WitService>();
        await _app.StartAsync(TestContext.Current.CancellationToken);
        Port = new Uri(_app.Urls.Single()).Port;
    }

    /// <summary>Until a subscription is refused that was not there before.</summary>
    public async Task RefusedAsync() => await _refusals.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromMinutes(1));

    /// <summary>Gone, as by a crash: every connection ends.</summary>
    public async Task StopAsync()
    {
        if (_app is not { } app) return;
        _app = null;
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        foreach (var (_, subscriber) in _subscribers) subscriber.Writer.TryComplete();
        try
        {
            await app.StopAsync(now.Token);
        }
        catch (OperationCanceledException)
        {
            // Connections were cut, as wanted.
        }

        await app.DisposeAsync();
    }

    public void Push()
    {
        Revision++;
        foreach (var (_, subscriber) in _subscribers) subscriber.Writer.TryWrite(Compose());
    }

    public Types.Entry Entry(string id, string spiffeId, string parent, params string[] selectors)
    {
        var entry = new Types.Entry { Id = id, SpiffeId = Wire(spiffeId), ParentId = Wire(parent), CreatedAt = Entries.Count + 1 };
        entry.Selectors.AddRange(selectors.Select(s => new Types.Selector { Type = s[..s.IndexOf(':')], Value = s[(s.IndexOf(':') + 1)..] }));
        Entries.Add(entry);
        return entry;
    }

    public X509Svid SvidOf(SpiffeId id)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var csr = new CertificateRequest(new X500DistinguishedName(""), key, HashAlgorithmName.SHA256).CreateSigningRequest();
        var chain = Sign(id, csr).Chain;
        return X509Svid.TryCreate(chain, key.ExportPkcs8PrivateKey(), "", out var svid, out var problem) ? svid : throw new InvalidOperationException(problem);
    }

    public string TokenOf(SpiffeId id, params string[] audience) => SignJwt(id, audience).Token;

    public ValueTask DisposeAsync() => new(StopAsync());

    private IssuedX509Svid Sign(SpiffeId id, ReadOnlyMemory<byte> csr)
    {
        if (!CertificateSigningRequest.TryParse(csr, out var request, out var problem)) throw new RpcException(new Status(StatusCode.InvalidArgument, problem));
        return _x509.Prepare(new X509SvidRequest(id, request.PublicKey), Time.GetUtcNow()) switch
        {
            X509SvidPreparation.Prepared prepared => _x509.Issue(prepared.Draft),
            X509SvidPreparation.Refused refused => throw new InvalidOperationException(refused.Reason),
            _ => throw new InvalidOperationException(),
        };
    }

    private IssuedJwtSvid SignJwt(SpiffeId id, IReadOnlyList<string> audience) => _jwt.Prepare(new JwtSvidRequest(id, audience), Time.GetUtcNow()) switch
    {
        JwtSvidPreparation.Prepared prepared => _jwt.Issue(prepared.Draft),
        JwtSvidPreparation.Refused { IsAboutRequest: true } refused => throw new RpcException(new Status(StatusCode.InvalidArgument, refused.Reason)),
        JwtSvidPreparation.Refused refused => throw new InvalidOperationException(refused.Reason),
        _ => throw new InvalidOperationException(),
    };

    private static Types.X509SVID Wire(IssuedX509Svid svid)
    {
        var wire = new Types.X509SVID { Id = Wire(svid.Id.ToString()), ExpiresAt = svid.NotAfter.ToUnixTimeSeconds() };
        wire.CertChain.AddRange(svid.Chain.Select(c => ByteString.CopyFrom(c.Span)));
        return wire;
    }

    private static Types.SPIFFEID Wire(string id)
    {
        var parsed = SpiffeId.Parse(id);
        return new Types.SPIFFEID { TrustDomain = parsed.TrustDomain.Name, Path = parsed.Path };
    }

    public V1.Snapshot Compose()
    {
        var snapshot = new V1.Snapshot
        {
            Revision = Revision,
            Traceparent = Traceparent,
            FreshUntil = Timestamp.FromDateTimeOffset(Time.GetUtcNow() + Freshness),
            Policy = new V1.PolicySnapshot { Revision = Revision, Documents = { Policies.ToDictionary(NameOf) } },
            Bundle = new Types.Bundle { TrustDomain = Domain.Name, SequenceNumber = Bundle.SequenceNumber ?? 0 },
        };
        snapshot.Entries.AddRange(Entries);
        snapshot.Bundle.X509Authorities.AddRange(Bundle.X509Authorities.Select(a => new Types.X509Certificate { Asn1 = ByteString.CopyFrom(a.RawData) }));
        snapshot.Bundle.JwtAuthorities.AddRange(
            Bundle.JwtAuthorities.Select(a => new Types.JWTKey { KeyId = a.KeyId, PublicKey = ByteString.CopyFrom(a.SubjectPublicKeyInfo.Span) }));
        snapshot.Bundle.WitAuthorities.AddRange(
            Bundle.WitAuthorities.Select(a => new Types.WITKey { KeyId = a.KeyId, PublicKey = ByteString.CopyFrom(a.SubjectPublicKeyInfo.Span) }));
        snapshot.FederatedBundles.AddRange(FederatedBundles);
        snapshot.Crls.AddRange(Crls);
        Interlocked.Exchange(ref _spoilNext, null)?.Invoke(snapshot);
        return snapshot;
    }

    /// <summary>Requests that the server took and has not answered.</summary>
    internal sealed class HeldBatches
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Completes with the first request.</summary>
        public Task Asked => _asked.Task;

        public void Fail(StatusCode code) => _over.TrySetException(new RpcException(new Status(code, "held and then failed")));

        public Task WaitAsync(CancellationToken cancellation)
        {
            _asked.TrySetResult();
            return _over.Task.WaitAsync(cancellation);
        }
    }

    private static SslStreamCertificateContext ContextOf(X509Svid svid) => SslStreamCertificateContext.Create(svid.Leaf, [.. svid.Intermediates], offline: true);

    private static string NameOf(string policy) => PolicyParser.TryParse(policy, out var document, out _) ? document.Name : "unreadable";

    private sealed class AgentService(FakeControlPlane plane) : AgentApi.Agent.AgentBase
    {
        public override async Task AttestAgent(
            IAsyncStreamReader<AgentApi.AttestAgentRequest> requestStream, IServerStreamWriter<AgentApi.AttestAgentResponse> responseStream, ServerCallContext context)
        {
            await requestStream.MoveNext(context.CancellationToken);
            var sent = requestStream.Current.Params;
            if (sent.Data.Type != "join_token" || !plane._usedTokens.TryAdd(sent.Data.Payload.ToStringUtf8(), 0))
                throw new RpcException(new Status(StatusCode.PermissionDenied, "the join token is unknown or used"));
            plane.Attestations++;
            await responseStream.WriteAsync(new() { Result = new() { Svid = Wire(plane.Sign(AgentId, sent.Params_.Csr.Memory)) } });
        }

        public override Task<AgentApi.RenewAgentResponse> RenewAgent(AgentApi.RenewAgentRequest request, ServerCallContext context)
        {
            plane.Renewals++;
            return Task.FromResult(new AgentApi.RenewAgentResponse { Svid = Wire(plane.Sign(AgentId, request.Params.Csr.Memory)) });
        }
    }

    private sealed class SvidService(FakeControlPlane plane) : SvidApi.SVID.SVIDBase
    {
        public override async Task<SvidApi.BatchNewX509SVIDResponse> BatchNewX509SVID(SvidApi.BatchNewX509SVIDRequest request, ServerCallContext context)
        {
            plane.X509Batches++;
            if (plane._held is { } held) await held.WaitAsync(context.CancellationToken);
            var response = new SvidApi.BatchNewX509SVIDResponse();
            foreach (var wanted in request.Params)
            {
                var entry = plane.Entries.Find(e => e.Id == wanted.EntryId);
                if (plane.X509Refusals.TryGetValue(wanted.EntryId, out var code))
                {
                    response.Results.Add(new SvidApi.BatchNewX509SVIDResponse.Types.Result { Status = new Types.Status { Code = (int)code, Message = "in the server's words" } });
                    continue;
                }

                response.Results.Add(entry is null
                    ? new SvidApi.BatchNewX509SVIDResponse.Types.Result { Status = new Types.Status { Code = 5, Message = "no such entry" } }
                    : new SvidApi.BatchNewX509SVIDResponse.Types.Result
                    {
                        Status = new Types.Status(),
                        Svid = Wire(plane.Sign(SpiffeId.Parse($"spiffe://{entry.SpiffeId.TrustDomain}{entry.SpiffeId.Path}"), wanted.Csr.Memory)),
                    });
            }

            return response;
        }

        public override async Task<SvidApi.NewJWTSVIDResponse> NewJWTSVID(SvidApi.NewJWTSVIDRequest request, ServerCallContext context)
        {
            Interlocked.Increment(ref plane._jwtRequests);
            if (plane.IsSilentAboutJwts) await Task.Delay(Timeout.Infinite, context.CancellationToken);
            if (plane.JwtRefusal is { } code) throw new RpcException(new Status(code, "in the server's words"));
            var entry = plane.Entries.Find(e => e.Id == request.EntryId) ?? throw new RpcException(new Status(StatusCode.NotFound, "no such entry"));
            var issued = plane.SignJwt(SpiffeId.Parse($"spiffe://{entry.SpiffeId.TrustDomain}{entry.SpiffeId.Path}"), request.Audience);
            return new SvidApi.NewJWTSVIDResponse { Svid = new Types.JWTSVID { Token = issued.Token, Id = entry.SpiffeId } };
        }
    }

    private sealed class WitService(FakeControlPlane plane) : V1.WitSigning.WitSigningBase
    {
        public override Task<V1.NewWitSvidResponse> NewWitSvid(V1.NewWitSvidRequest request, ServerCallContext context)
        {
            Interlocked.Increment(ref plane._witRequests);
            if (plane.WitRefusal is { } code) throw new RpcException(new Status(code, "in the server's words"));
            var entry = plane.Entries.Find(e => e.Id == request.EntryId) ?? throw new RpcException(new Status(StatusCode.NotFound, "no such entry"));
            if (!ProofKey.TryParse(request.Jwk.Memory, out var key, out var problem)) throw new RpcException(new Status(StatusCode.InvalidArgument, problem));
            var prepared = (WitSvidPreparation.Prepared)plane._wit.Prepare(
                new WitSvidRequest(SpiffeId.Parse($"spiffe://{entry.SpiffeId.TrustDomain}{entry.SpiffeId.Path}"), key), plane.Time.GetUtcNow());
            return Task.FromResult(new V1.NewWitSvidResponse { Svid = new Types.WITSVID { Token = plane._wit.Issue(prepared.Draft).Token, Id = entry.SpiffeId } });
        }
    }

    private sealed class SyncService(FakeControlPlane plane) : V1.Sync.SyncBase
    {
        public override async Task Subscribe(
            IAsyncStreamReader<V1.AgentReport> requestStream, IServerStreamWriter<V1.Snapshot> responseStream, ServerCallContext context)
        {
            if (plane.SyncRefusal is { } refusal) throw Refuse(refusal);
            if (context.GetHttpContext().Connection.ClientCertificate is null) throw new RpcException(new Status(StatusCode.Unauthenticated, "no certificate"));
            var snapshots = Channel.CreateUnbounded<V1.Snapshot>();
            var number = Interlocked.Increment(ref plane._nextSubscriber);
            // Listen first: a change in between would be told to nobody.
            plane._subscribers[number] = snapshots;
            snapshots.Writer.TryWrite(plane.Compose());
            var reading = ReadAsync(requestStream);
            try
            {
                await foreach (var snapshot in snapshots.Reader.ReadAllAsync(context.CancellationToken)) await responseStream.WriteAsync(snapshot);
            }
            finally
            {
                plane._subscribers.TryRemove(number, out _);
            }
        }

        // As the server words it, in the same trailers.
        private RpcException Refuse(StatusCode code)
        {
            plane._refusals.Writer.TryWrite(true);
            if (code is not StatusCode.PermissionDenied) return new RpcException(new Status(code, "refused"));
            var refusal = global::Identity.Server.NodeAttestation.PermissionDeniedStatus.From("refused", plane.RefusalReason);
            if (plane.RefusalDecision is { } id) refusal.Trailers.Add(global::Identity.Server.NodeAttestation.NodeRefusals.Trailer, id);
            return refusal;
        }

        private async Task ReadAsync(IAsyncStreamReader<V1.AgentReport> reports)
        {
            try
            {
                while (await reports.MoveNext()) plane.Reports.Writer.TryWrite(reports.Current);
            }
            catch (Exception e) when (e is RpcException or IOException or OperationCanceledException or InvalidOperationException)
            {
                // The agent left.
            }
        }
    }
}
