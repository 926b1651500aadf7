using System.Collections.Immutable;
using Identity.Agent.ControlPlane;
using Identity.Agent.SvidCache;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;

namespace Identity.Agent.WorkloadApi;

/// <summary>
/// What some processes are entitled to in one view: one object for all who are entitled to the same, which keeps the messages made of it. A change costs one
/// message for each distinct answer, however many streams carry it.
/// </summary>
/// <param name="until">When the first of the entries expires.</param>
internal sealed class Entitlement(ControlPlaneView view, ImmutableArray<AuthorizedEntry> entries, DateTimeOffset until)
{
    private readonly Lock _lock = new();
    private volatile X509Answer? _x509;
    private volatile X509BundlesResponse? _x509Bundles;
    private volatile JWTBundlesResponse? _jwtBundles;
    private volatile WITBundlesResponse? _witBundles;
    private volatile TrustBundleSet? _trusted;

    public ControlPlaneView View => view;

    /// <summary>The default identity first (Workload API §8).</summary>
    public ImmutableArray<AuthorizedEntry> Entries => entries;

    public DateTimeOffset Until => until;

    /// <summary>Bundles of the other trust domains that one of the entries federates with, as far as there are any.</summary>
    public ImmutableArray<TrustBundle> Federated { get; } =
    [
        .. entries.SelectMany(e => e.FederatesWith).Distinct().OrderBy(domain => domain.Name, StringComparer.Ordinal)
            .Select(domain => view.FederatedBundles.TryGet(domain, out var bundle) ? bundle : null).OfType<TrustBundle>(),
    ];

    /// <summary>Whose tokens are judged for the caller: our own trust domain's, and theirs. Made once, for it is asked for with each token.</summary>
    public TrustBundleSet Trusted => _trusted ??= new TrustBundleSet([.. Federated, view.Bundle]);

    public X509BundlesResponse X509Bundles => _x509Bundles ??= SvidMessages.X509Bundles(this);

    public JWTBundlesResponse JwtBundles => _jwtBundles ??= SvidMessages.JwtBundles(this);

    public WITBundlesResponse WitBundles => _witBundles ??= SvidMessages.WitBundles(this);

    /// <param name="svids">In the order of the entries.</param>
    public X509SVIDResponse X509(IReadOnlyList<CachedX509Svid?> svids)
    {
        if (_x509 is { } held && held.IsOf(svids)) return held.Response;
        lock (_lock)
        {
            if (_x509 is { } made && made.IsOf(svids)) return made.Response;
            var answer = new X509Answer(svids, SvidMessages.X509(this, svids));
            _x509 = answer;
            return answer.Response;
        }
    }

    private sealed class X509Answer(IReadOnlyList<CachedX509Svid?> svids, X509SVIDResponse response)
    {
        public X509SVIDResponse Response => response;

        public bool IsOf(IReadOnlyList<CachedX509Svid?> others)
        {
            for (var i = 0; i < svids.Count; i++)
            {
                if (!ReferenceEquals(svids[i], others[i])) return false;
            }

            return true;
        }
    }
}
