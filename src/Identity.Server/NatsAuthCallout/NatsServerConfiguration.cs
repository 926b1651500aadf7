using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Text;

namespace Identity.Server.NatsAuthCallout;

/// <summary>The configuration that makes a nats-server ask us about every login. It names no password and no user but our own key.</summary>
internal static class NatsServerConfiguration
{
    /// <summary>Below the two seconds after which common clients give up; a plain number, because 2.10 ignores a duration text.</summary>
    public const double AuthorizationTimeoutSeconds = 1.5;

    public const string CalloutAccount = "AUTH";

    public static bool TryWrite(
        NatsCalloutKeys keys, string listen, string certificateFile, string keyFile, [NotNullWhen(true)] out string? text, out string problem)
    {
        text = null;
        problem = FindListenProblem(listen) ?? FindPathProblem("certificate", certificateFile) ?? FindPathProblem("key", keyFile) ?? "";
        if (problem.Length > 0) return false;

        text = $$"""
            # nats-server >= 2.10. Every login is decided by identityd; there is no standing user but identityd's own key.
            # Change it by asking identityd again and restarting nats-server: the auth_callout block cannot be reloaded.
            listen: "{{listen}}"

            tls {
              cert_file: "{{certificateFile}}"
              key_file: "{{keyFile}}"
              timeout: 5
            }

            # Applications share one account; what each may do in it comes with its login.
            accounts {
              {{NatsAuthCalloutResponder.ApplicationAccount}} {}
              {{NatsAuthCalloutResponder.SystemAccount}} {}
              {{CalloutAccount}} {
                users: [
                  {
                    nkey: {{keys.User.GetPublicKey()}}
                    permissions {
                      subscribe { allow: ["{{NatsAuthCalloutService.Subject}} {{NatsAuthCalloutService.QueueGroup}}"] }
                      publish { allow: ["$SYS._INBOX.>"] }
                    }
                  }
                ]
              }
            }
            system_account: {{NatsAuthCalloutResponder.SystemAccount}}

            authorization {
              timeout: {{AuthorizationTimeoutSeconds.ToString(CultureInfo.InvariantCulture)}}
              auth_callout {
                issuer: {{keys.Issuer.GetPublicKey()}}
                account: {{CalloutAccount}}
                auth_users: [ {{keys.User.GetPublicKey()}} ]
                xkey: {{keys.Curve.GetPublicKey()}}
              }
            }

            # Logins carry bearer tokens: tracing would write them down.
            debug: false
            trace: false

            """;
        return true;
    }

    private static string? FindListenProblem(string listen)
    {
        var colon = listen.LastIndexOf(':');
        var host = colon < 0 ? "" : listen[..colon];
        var isHost = IPAddress.TryParse(host, out _) || Uri.CheckHostName(host) == UriHostNameType.Dns;

        // -1 asks nats-server for a free port.
        var isPort = colon >= 0 && int.TryParse(listen[(colon + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var port)
            && port is -1 or (> 0 and <= 65535);
        return isHost && isPort ? null : $"'{Printable(listen)}' is no address to listen on; expected host:port such as 127.0.0.1:4222";
    }

    // The text goes into a quoted string of the configuration; what would end the quotes or start an escape is refused.
    private static string? FindPathProblem(string what, string path) =>
        Path.IsPathFullyQualified(path) && path.Length <= 4096 && !path.Any(c => char.IsControl(c) || c is '"' or '\\')
            ? null
            : $"'{Printable(path)}' is no absolute path of the TLS {what} file (quotes, backslashes and control characters are not allowed in it)";

    private static string Printable(string text)
    {
        var safe = new StringBuilder(text, 0, Math.Min(text.Length, 200), 256);
        for (var i = 0; i < safe.Length; i++)
        {
            if (char.IsControl(safe[i])) safe[i] = '?';
        }

        return safe.ToString();
    }
}
