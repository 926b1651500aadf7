using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Spiffe.Net.WorkloadApi;

/// <summary>The peer of the TLS connection, as <see cref="SpiffeKestrelExtensions"/> had it verified, as a principal.</summary>
internal sealed class X509SvidAuthenticationHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(Authenticate());

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        await base.HandleChallengeAsync(properties).ConfigureAwait(false);

        // RFC 9110 §15.5.2: a 401 names a scheme. None is registered for certificates.
        Response.Headers.Append("WWW-Authenticate", SpiffeAuthentication.X509Scheme);
    }

    protected override async Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        await ForbiddenLog.WriteAsync(Logger, Context, (await HandleAuthenticateOnceSafeAsync().ConfigureAwait(false)).Principal?.GetSpiffeId()).ConfigureAwait(false);
        await base.HandleForbiddenAsync(properties).ConfigureAwait(false);
    }

    private AuthenticateResult Authenticate()
    {
        if (Context.Features.Get<PeerCheck>() is not { } peer) return AuthenticateResult.NoResult();
        if (peer.FindIdNow() is not { } id) return AuthenticateResult.Fail("the X509-SVID of this connection has expired or is not genuine any more");
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new SpiffeIdentity(id, Scheme.Name)), Scheme.Name));
    }
}
