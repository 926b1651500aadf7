using Identity.Fuzzing;
using Microsoft.Win32.SafeHandles;
using SharpFuzz;

// identity-fuzz list | seed FOLDER | replay FOLDER | instrument ASSEMBLY | run TARGET
//
// ./dev fuzz copies this program, instruments our assemblies in the copy and has afl-fuzz run it; afl-fuzz gives inputs on standard input and sees
// in shared memory which branches they took.
switch (args)
{
    case ["list"]:
        foreach (var target in FuzzTarget.All) Console.WriteLine(target.Name);
        return 0;
    case ["seed", var folder]:
        foreach (var target in FuzzTarget.All)
        {
            Directory.CreateDirectory(Path.Combine(folder, target.Name));
            foreach (var (name, bytes) in target.Seeds()) File.WriteAllBytes(Path.Combine(folder, target.Name, name), bytes);
        }

        return 0;
    case ["replay", var folder]:
        return Replay(folder);
    case ["instrument", var assembly]:
        Fuzzer.Instrument(assembly, _ => true, Options.Value);
        return 0;
    case ["run", var name] when FuzzTarget.Find(name) is { } target:
        using (var input = new SafeFileHandle(0, ownsHandle: false)) Fuzzer.Run(_ => { target.Run(FuzzInput.Read(input)); });
        return 0;
    default:
        Console.Error.WriteLine("usage: identity-fuzz list | seed FOLDER | replay FOLDER | instrument ASSEMBLY | run TARGET");
        return 2;
}

// FOLDER/TARGET/INPUT, as the corpus is laid out.
static int Replay(string folder)
{
    var (replayed, broken) = (0, 0);
    foreach (var target in FuzzTarget.All.Where(target => Directory.Exists(Path.Combine(folder, target.Name))))
    {
        foreach (var file in Directory.GetFiles(Path.Combine(folder, target.Name)))
        {
            replayed++;
            try
            {
                target.Run(File.ReadAllBytes(file));
            }
            catch (Exception finding)
            {
                broken++;
                Console.Error.WriteLine($"{file}: {finding}");
            }
        }
    }

    Console.WriteLine($"{replayed} inputs replayed, {broken} broke an invariant");
    return broken == 0 ? 0 : 1;
}
