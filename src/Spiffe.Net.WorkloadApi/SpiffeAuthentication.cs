using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// SPIFFE identities as ASP.NET Core authentication. A principal's name is its SPIFFE ID; <see cref="GetSpiffeId"/> reads it,
/// <see cref="SpiffeAuthorization"/> requires it. Refusals answer 401 without a word about why; the reason is in the log.
/// </summary>
public static class SpiffeAuthentication
{
    /// <summary>The scheme of <see cref="AddX509Svid"/>.</summary>
    public const string X509Scheme = "X509-SVID";

    /// <summary>The scheme of <see cref="AddJwtSvid"/>.</summary>
    public const string JwtScheme = "JWT-SVID";

    /// <summary>The claim that holds the SPIFFE ID, <c>spiffe://trust-domain/path</c>; it is the principal's name.</summary>
    public const string IdClaim = "spiffe_id";

    /// <summary>The claim that holds the bare name of the trust domain.</summary>
    public const string TrustDomainClaim = "spiffe_trust_domain";

    /// <summary>
    /// Authenticates by the X509-SVID of the TLS connection, on endpoints that <see cref="SpiffeKestrelExtensions"/> serves over mTLS. The SVID is looked
    /// at anew with each request: once it has expired, or its authority was withdrawn, the connection authenticates nobody.
    /// </summary>
    public static AuthenticationBuilder AddX509Svid(this AuthenticationBuilder authentication, string scheme = X509Scheme) =>
        authentication.AddScheme<AuthenticationSchemeOptions, X509SvidAuthenticationHandler>(scheme, null);

    /// <summary>
    /// Authenticates by a JWT-SVID in <c>Authorization: Bearer</c> (JWT-SVID §5.1). Whoever sees the token can use it, so serve it over TLS only.
    /// </summary>
    /// <param name="authentication">What to add to.</param>
    /// <param name="configure">Sets audience and bundles, which have no default; the host does not start without them.</param>
    /// <param name="scheme">Its name.</param>
    public static AuthenticationBuilder AddJwtSvid(
        this AuthenticationBuilder authentication, Action<JwtSvidAuthenticationOptions> configure, string scheme = JwtScheme)
    {
        authentication.Services.AddOptions<JwtSvidAuthenticationOptions>(scheme).ValidateOnStart();
        return authentication.AddScheme<JwtSvidAuthenticationOptions, JwtSvidAuthenticationHandler>(scheme, configure);
    }

    /// <summary>
    /// Who this is, as one of the handlers here found; null for everybody else, whatever claims they carry. Null too where two handlers found
    /// two different IDs: name one scheme.
    /// </summary>
    public static SpiffeId? GetSpiffeId(this ClaimsPrincipal principal)
    {
        SpiffeId? found = null;
        foreach (var identity in principal.Identities)
        {
            if (identity is not SpiffeIdentity { Id: var id }) continue;
            if (found is not null && found != id) return null;
            found = id;
        }

        return found;
    }
}
