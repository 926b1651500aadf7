using Spiffe.Net;

namespace Identity.Policy.Evaluation;

/// <summary>Whom a decision is about. Digest and host are null for a process, which then no rule about digests or hosts means.</summary>
internal readonly record struct Caller(SpiffeId Id, ComponentDigest? Digest, SpiffeId? Host);
