using Identity.Dev;
using Identity.Testing.Platform;

// `./dev up` and `./dev down`: the main job on this machine. `check` says, before anything is built, what would keep it from coming up.
var verb = args.FirstOrDefault();
var options = args.Skip(1).ToList();
var once = options.Remove("--once");
var detach = options.Remove("--detach");
var anyPort = options.Remove("--any-port");
var folder = Path.Combine(Repository.Root, ".dev", "up");
if (options.IndexOf("--folder") is >= 0 and var at && at + 1 < options.Count)
{
    folder = Path.GetFullPath(options[at + 1]);
    options.RemoveRange(at, 2);
}
if (verb is not ("up" or "down" or "check") || options.Count > 0 || (once && detach))
{
    Console.Error.WriteLine(options.Count > 0 ? $"dev: unknown argument '{options[0]}'." : once && detach ? "dev: --once and --detach exclude each other." : "dev: up [--once | --detach], or down.");
    return 2;
}
var running = new RunningPlatform(folder);
if (verb == "down")
    return await running.EndAsync(Console.Out);

var ports = anyPort ? Ports.Any() : Ports.Default;
// The folder says who is up in it; ports only say that somebody is up somewhere.
if (verb == "check" && running.WhyTaken() is { } taken)
    return Fail(taken);
if (verb == "check")
    return ports.InUse() is var (busy, user) ? Fail($"port {busy}, which {user} needs, is in use; end what listens there (another ./dev up?) and try again.") : 0;
using var hold = running.Take(out var problem);
if (hold is null)
    return Fail(problem!);
if (ports.InUse() is var (port, use))
    return Fail($"port {port}, which {use} needs, is in use; end what listens there (another ./dev up?) and try again.");
var natsServer = Environment.GetEnvironmentVariable("NATS_SERVER");
if (string.IsNullOrEmpty(natsServer) || !File.Exists(natsServer))
    return Fail("NATS_SERVER names no nats-server program; start this through ./dev up.");

using var stop = new CancellationTokenSource();
void Stop(System.Runtime.InteropServices.PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
using var interrupt = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGINT, Stop);
using var terminate = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, Stop);

var teller = new Teller(Console.Out);
await using var platform = new LocalPlatform(folder, ports, natsServer);
try
{
    await new MainJob(platform, teller, once).RunAsync(stop.Token);
    running.WriteVariables(Repository.Root, platform);
    if (once)
        return 0;
    if (detach)
    {
        running.Note(platform.Detach());
        teller.Say("It goes on running; ./dev down ends it.");
        return 0;
    }
    teller.Say("Everything is up. Ctrl-C ends it.");
    await Task.Delay(Timeout.Infinite, stop.Token);
    return 0;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    teller.Say("Ending.");
    return 0;
}
catch (Exception e) when (e is InvalidOperationException or TimeoutException or IOException or Grpc.Core.RpcException)
{
    teller.Failed(e.Message);
    Console.Error.WriteLine($"dev: it did not happen; the logs are in {platform.Logs}.");
    if (await ForeignPolicies.FindAsync(platform) is not { Count: > 0 } foreign)
        return 1;
    foreach (var line in foreign)
        Console.Error.WriteLine($"dev: {line}");
    if (once)
    {
        Console.Error.WriteLine($"dev: they are kept in {platform.Folder}; `rm -r {platform.Folder}` forgets them and all else, or take them away after ./dev up.");
        return 1;
    }
    // They can only be taken away while the server runs.
    Console.Error.WriteLine($"dev: then {(detach ? "./dev down" : "Ctrl-C")} and ./dev up begin anew.");
    running.WriteVariables(Repository.Root, platform);
    if (detach)
    {
        running.Note(platform.Detach());
        return 1;
    }
    teller.Say("What came up goes on running, so that this can be mended. Ctrl-C ends it.");
    try
    {
        await Task.Delay(Timeout.Infinite, stop.Token);
    }
    catch (OperationCanceledException)
    {
        teller.Say("Ending.");
    }
    return 1;
}

static int Fail(string problem)
{
    Console.Error.WriteLine($"dev: {problem}");
    return 1;
}
