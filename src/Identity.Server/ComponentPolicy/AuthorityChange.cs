using System.Security.Cryptography;
using System.Text;
using Identity.Policy;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// What one policy lets anybody do that another does not. Compared by statements: a permit that was not there, or that lost its limits, widens; so does a forbid that
/// is gone. Never says "no wider" of what is wider; says "wider" of some changes that only reword.
/// </summary>
internal static class AuthorityChange
{
    public static bool Widens(CapabilityPolicy before, CapabilityPolicy after, DateTimeOffset now) =>
        after.Unreadable is not null || before.Unreadable is not null || Gained(before, after, now).Any();

    /// <summary>One line each.</summary>
    public static IEnumerable<string> Gained(CapabilityPolicy before, CapabilityPolicy after, DateTimeOffset now) =>
        Statements(after, RuleEffect.Permit, now).Except(Statements(before, RuleEffect.Permit, now), StringComparer.Ordinal)
            .Concat(Statements(before, RuleEffect.Forbid, now).Except(Statements(after, RuleEffect.Forbid, now), StringComparer.Ordinal).Select(line => $"no longer: {line}"));

    /// <summary>One line each.</summary>
    public static IEnumerable<string> Lost(CapabilityPolicy before, CapabilityPolicy after, DateTimeOffset now) => Gained(after, before, now);

    /// <summary>SHA-256 over what is gained and lost: the same when the change means the same on another base.</summary>
    public static byte[] Fingerprint(CapabilityPolicy before, CapabilityPolicy after, DateTimeOffset now) => SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(
        '\n', Gained(before, after, now).Order(StringComparer.Ordinal).Append("--").Concat(Lost(before, after, now).Order(StringComparer.Ordinal)))));

    // A rule in mode shadow says nothing yet; one in mode warn permits but does not forbid.
    private static IEnumerable<string> Statements(CapabilityPolicy policy, RuleEffect effect, DateTimeOffset now) =>
        policy.Clauses
            .Where(clause => clause.Effect == effect && (clause.Mode == RuleMode.Enforce || (clause.Mode == RuleMode.Warn && effect == RuleEffect.Permit)))
            .Where(clause => clause.Expires is not { } expires || expires > now)
            .Select(clause => $"{(effect == RuleEffect.Permit ? "permit" : "forbid")} {clause.Capability} to {clause.Subject} with {clause.Ceilings} until {clause.Expires:O}")
            .Distinct(StringComparer.Ordinal);
}
