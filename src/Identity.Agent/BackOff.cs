using System.Security.Cryptography;

namespace Identity.Agent;

/// <summary>How long to wait before trying again: doubling up to a bound, spread so that a thousand agents do not come at once.</summary>
internal sealed class BackOff(TimeSpan first, TimeSpan most)
{
    private int _failures;

    public TimeSpan Next()
    {
        var whole = Math.Min(first.TotalMilliseconds * Math.Pow(2, Math.Min(_failures++, 20)), most.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(whole * Jitter(0.75, 1.25));
    }

    public void Reset() => _failures = 0;

    /// <summary>Half of what is left of a lifetime, give or take a tenth.</summary>
    public static DateTimeOffset HalfLife(DateTimeOffset from, DateTimeOffset until) => from + ((until - from) * Jitter(0.45, 0.55));

    private static double Jitter(double low, double high) => low + ((high - low) * RandomNumberGenerator.GetInt32(1 << 20) / (1 << 20));
}
