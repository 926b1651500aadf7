using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Spiffe.Net.WorkloadApi;

/// <summary>Bearer tokens that are JWT-SVIDs. The reasons it gives go to the log and never hold the token.</summary>
internal sealed class JwtSvidAuthenticationHandler(
    IOptionsMonitor<JwtSvidAuthenticationOptions> options, ILoggerFactory loggers, UrlEncoder encoder)
    : AuthenticationHandler<JwtSvidAuthenticationOptions>(options, loggers, encoder)
{
    private const string Prefix = "Bearer ";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(Authenticate());

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        await base.HandleChallengeAsync(properties).ConfigureAwait(false);

        // RFC 6750 §3 wants a parameter; its error codes would tell a stranger what was wrong.
        Response.Headers.Append("WWW-Authenticate", "Bearer realm=\"spiffe\"");
    }

    protected override async Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        await ForbiddenLog.WriteAsync(Logger, Context, (await HandleAuthenticateOnceSafeAsync().ConfigureAwait(false)).Principal?.GetSpiffeId()).ConfigureAwait(false);
        await base.HandleForbiddenAsync(properties).ConfigureAwait(false);
    }

    private AuthenticateResult Authenticate()
    {
        // Of two headers, a proxy before us may have looked at the other one.
        var headers = Request.Headers.Authorization;
        if (headers.Count > 1) return AuthenticateResult.Fail("there are several Authorization headers");
        if (headers.Count == 0 || headers[0] is not { } header || !header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)) return AuthenticateResult.NoResult();
        var length = header.Length - Prefix.Length;
        if (length is 0 or > JwtSvid.MaxTokenLength) return AuthenticateResult.Fail($"the bearer token has {length} characters; expected 1 to {JwtSvid.MaxTokenLength}");

        switch (JwtSvidVerifier.Verify(header[Prefix.Length..], Options.Audience, Options.Bundles!(), TimeProvider.GetUtcNow(), Options.Leeway))
        {
            case JwtSvidVerification.Verified verified:
                var principal = new ClaimsPrincipal(new SpiffeIdentity(verified.Id, Scheme.Name));
                var properties = new AuthenticationProperties { ExpiresUtc = verified.Svid.ExpiresAt };
                return AuthenticateResult.Success(new AuthenticationTicket(principal, properties, Scheme.Name));
            case JwtSvidVerification.Refused refused:
                return AuthenticateResult.Fail(refused.Reason);
            default:
                return AuthenticateResult.Fail("no verdict");
        }
    }
}
