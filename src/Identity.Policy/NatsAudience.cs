using System.Diagnostics.CodeAnalysis;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>
/// The audiences of a JWT-SVID that logs in to NATS: <c>spiffe://&lt;td&gt;/nats</c>, and of a component's also the admission it was given out
/// under, <c>spiffe://&lt;td&gt;/nats/admission/&lt;id&gt;</c>: several components may run under one SPIFFE ID, and only their agent can say which of
/// them asks. Nobody else is given a token for such an audience.
/// </summary>
public static class NatsAudience
{
    private const string Admission = "/nats/admission/";

    public static string Of(TrustDomain trustDomain) => $"{trustDomain.Id}/nats";

    /// <param name="admissionId">As the agent reports it to the server.</param>
    public static string OfAdmission(TrustDomain trustDomain, string admissionId) => $"{trustDomain.Id}{Admission}{admissionId}";

    /// <summary>Whether an audience names an admission; then which.</summary>
    public static bool TryReadAdmission(string audience, TrustDomain trustDomain, [NotNullWhen(true)] out string? admissionId)
    {
        var prefix = OfAdmission(trustDomain, "");
        admissionId = audience.StartsWith(prefix, StringComparison.Ordinal) ? audience[prefix.Length..] : null;
        return admissionId is not null;
    }
}
