using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using BenchmarkDotNet.Attributes;
using Identity.Benchmarks.WorkloadApi;

namespace Identity.Benchmarks;

/// <summary>
/// Runs the benchmarks of a class by turns, some milliseconds each, and compares every one with the floor of the same turn. On a shared machine the processor is
/// faster in one second than in another: what is measured one after the other differs by that too, and what is measured by turns does not.
/// </summary>
internal static class Interleaved
{
    public const string Option = "--interleaved";

    private const int Turns = 400;
    private const int WarmTurns = 100;

    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(2);

    /// <param name="type">A class with [Benchmark] methods without parameters, one of them the baseline.</param>
    public static void Run(Type type, string results)
    {
        var instance = Activator.CreateInstance(type)!;
        foreach (var setup in type.GetMethods().Where(method => method.GetCustomAttribute<GlobalSetupAttribute>() is not null)) setup.Invoke(instance, null);
        var methods = type.GetMethods().Select(method => (Method: method, Benchmark: method.GetCustomAttribute<BenchmarkAttribute>())).Where(one => one.Benchmark is not null)
            .Select(one => new Measured(one.Benchmark!.Description ?? one.Method.Name, one.Benchmark.Baseline, Bind(one.Method, instance))).ToArray();
        var floor = methods.Single(method => method.IsFloor);
        for (var turn = 0; turn < WarmTurns + Turns; turn++)
        {
            // Each is first as often as last.
            for (var i = 0; i < methods.Length; i++) methods[(i + turn) % methods.Length].Take(turn >= WarmTurns);
        }

        var table = new Table("Method", "Fastest", "Median", "Ratio", "Half of the turns");
        foreach (var method in methods)
        {
            var ratios = method.Times.Zip(floor.Times, (time, ofFloor) => time / ofFloor).Order().ToList();
            table.AddRow(method.Name, Microseconds(method.Times.Min()), Microseconds(Table.Percentile(method.Times, 50)),
                Number(Table.Percentile(ratios, 50)), $"{Number(Table.Percentile(ratios, 25))} to {Number(Table.Percentile(ratios, 75))}");
        }

        Directory.CreateDirectory(results);
        File.WriteAllText(Path.Combine(results, $"{type.FullName}-interleaved-report-github.md"), table.ToString());
        Console.WriteLine($"// {type.FullName}\n{table}");
    }

    public static IEnumerable<Type> Find(Func<string, bool> isWanted) => typeof(Interleaved).Assembly.GetTypes()
        .Where(type => type.GetMethods().Any(method => method.GetCustomAttribute<BenchmarkAttribute>() is { Baseline: true }))
        .Where(type => !type.GetProperties().Cast<MemberInfo>().Concat(type.GetFields()).Any(member => member.GetCustomAttribute<ParamsAttribute>() is not null))
        .Where(type => type.GetMethods().Where(method => method.GetCustomAttribute<BenchmarkAttribute>() is not null).All(method => isWanted($"{type.FullName}.{method.Name}")));

    private static Action Bind(MethodInfo method, object instance)
    {
        // Through a delegate of its own type: what reflection adds to a call would be in every figure.
        var bound = method.CreateDelegate(typeof(Func<>).MakeGenericType(method.ReturnType), instance);
        return (Action)typeof(Interleaved).GetMethod(nameof(Discard), BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(method.ReturnType).Invoke(null, [bound])!;
    }

    private static Action Discard<T>(Func<T> call) => () => Sink<T>.Value = call();

    private static string Microseconds(double value) => value.ToString("F2", CultureInfo.InvariantCulture) + " μs";

    private static string Number(double value) => value.ToString("F2", CultureInfo.InvariantCulture);

    // So that nothing is left out because nobody looks at what it gives.
    private static class Sink<T>
    {
        public static T? Value { get; set; }
    }

    private sealed class Measured(string name, bool isFloor, Action call)
    {
        private int _calls = 1;

        public string Name => name;

        public bool IsFloor => isFloor;

        /// <summary>Microseconds a call, of each turn.</summary>
        public List<double> Times { get; } = [];

        public void Take(bool keep)
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < _calls; i++) call();
            var took = Stopwatch.GetElapsedTime(start);
            if (keep) Times.Add(took.TotalMicroseconds / _calls);
            else _calls = Math.Max(1, (int)(_calls * (Turn / took)));
        }
    }
}
