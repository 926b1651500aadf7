using Spiffe.Net;

namespace Identity.Issuance;

/// <param name="ProofKey">The workload's key, which the token is bound to; the caller has seen to it that the workload holds it.</param>
/// <param name="Lifetime">Null means the profile's default; more than its maximum is cut, not refused.</param>
public sealed record WitSvidRequest(SpiffeId Id, ProofKey ProofKey, TimeSpan? Lifetime = null);
