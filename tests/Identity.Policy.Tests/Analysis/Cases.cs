using Identity.Policy.Analysis;
using CsCheck;
using Identity.Policy.Tests.Analysis.Boards;

namespace Identity.Policy.Tests.Analysis;

/// <summary>How many random cases the oracles try. More with IDENTITY_POLICY_CASES (a factor), another course with IDENTITY_POLICY_SEED.</summary>
internal static class Cases
{
    private const uint Stream = 1;

    public static int Times(int count) =>
        int.TryParse(Environment.GetEnvironmentVariable("IDENTITY_POLICY_CASES"), out var factor) && factor > 0 ? checked(count * factor) : count;

    public static ulong Seed => ulong.TryParse(Environment.GetEnvironmentVariable("IDENTITY_POLICY_SEED"), out var seed) ? seed : 20_261_123;

    /// <summary>True when a course was asked for.</summary>
    public static bool IsSeeded => Environment.GetEnvironmentVariable("IDENTITY_POLICY_SEED") is { Length: > 0 };

    /// <summary>A policy as its rules, one a line.</summary>
    public static string Show(object? value) => value switch
    {
        PolicyRule[] { Length: > 40 } rules => $"  {rules.Length} rules\n",
        PolicyRule[] rules => string.Concat(rules.Select(rule =>
            $"  {rule.Name}: {rule.Mode} {rule.Effect} {string.Join(" | ", rule.Subjects.Select(SubjectText.Of))} : {string.Join(", ", rule.Capabilities)} until {rule.Expires:u} fuel {rule.Ceilings.Fuel} memory {rule.Ceilings.MemoryBytes}\n")),
        System.Runtime.CompilerServices.ITuple tuple => string.Join("--\n", Enumerable.Range(0, tuple.Length).Select(item => Show(tuple[item]))),
        _ => $"{value}",
    };

    /// <summary>Draws that many values, always the same ones for a seed; a failure names the seed and the number of the case.</summary>
    public static void Each<T>(Gen<T> gen, int count, Action<T> check)
    {
        var pcg = new PCG(Stream, Seed);
        for (var number = 0; number < count; number++)
        {
            var value = gen.Generate(pcg, null, out _);
            try
            {
                check(value);
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"case {number} of seed {Seed} fails: {failure.Message}\n{Show(value)}", failure);
            }
        }
    }

    /// <summary>As <see cref="Each{T}"/>, for cases that draw for themselves, each from its own number.</summary>
    /// <param name="shown">What was drawn last, for a failure.</param>
    public static void Many(int count, Action<Draw> check, Func<object?> shown)
    {
        var draw = new Draw();
        for (var number = 0; number < count; number++)
        {
            try
            {
                check(draw.For(Seed, number));
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"case {number} of seed {Seed} fails: {failure.Message}\n{Show(shown())}", failure);
            }
        }
    }
}
