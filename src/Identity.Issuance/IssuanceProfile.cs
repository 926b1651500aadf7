using System.Diagnostics.CodeAnalysis;

namespace Identity.Issuance;

/// <summary>The bounds within which SVIDs are issued; always consistent.</summary>
public sealed class IssuanceProfile
{
    private IssuanceProfile(TimeSpan x509Default, TimeSpan x509Maximum, TimeSpan jwtDefault, TimeSpan jwtMaximum)
    {
        DefaultX509Lifetime = x509Default;
        MaxX509Lifetime = x509Maximum;
        DefaultJwtLifetime = jwtDefault;
        MaxJwtLifetime = jwtMaximum;
    }

    /// <summary>X.509 one hour (at most a day), JWT five minutes (at most an hour).</summary>
    public static IssuanceProfile Default { get; } =
        new(TimeSpan.FromHours(1), TimeSpan.FromHours(24), TimeSpan.FromMinutes(5), TimeSpan.FromHours(1));

    public static TimeSpan ShortestLifetime { get; } = TimeSpan.FromSeconds(10);

    public TimeSpan DefaultX509Lifetime { get; }

    public TimeSpan MaxX509Lifetime { get; }

    public TimeSpan DefaultJwtLifetime { get; }

    public TimeSpan MaxJwtLifetime { get; }

    public static bool TryCreate(
        TimeSpan x509Default,
        TimeSpan x509Maximum,
        TimeSpan jwtDefault,
        TimeSpan jwtMaximum,
        [NotNullWhen(true)] out IssuanceProfile? profile,
        [NotNullWhen(false)] out string? problem)
    {
        problem = FindProblem("X.509-SVID", x509Default, x509Maximum, TimeSpan.FromDays(7))
            ?? FindProblem("JWT-SVID", jwtDefault, jwtMaximum, TimeSpan.FromHours(24));
        profile = problem is null ? new IssuanceProfile(x509Default, x509Maximum, jwtDefault, jwtMaximum) : null;
        return profile is not null;
    }

    private static string? FindProblem(string what, TimeSpan byDefault, TimeSpan maximum, TimeSpan ceiling)
    {
        if (byDefault < ShortestLifetime) return $"the default {what} lifetime is {byDefault}; the shortest is {ShortestLifetime}";
        if (maximum < byDefault) return $"the longest {what} lifetime, {maximum}, is below the default, {byDefault}";
        return maximum > ceiling ? $"the longest {what} lifetime is {maximum}; there is no revocation, so at most {ceiling} is allowed" : null;
    }
}
