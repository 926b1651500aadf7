using Spiffe.Net;

namespace Identity.Issuance;

/// <param name="Lifetime">Null means the profile's default; more than its maximum is cut, not refused.</param>
public sealed record JwtSvidRequest(SpiffeId Id, IReadOnlyList<string> Audience, TimeSpan? Lifetime = null);
