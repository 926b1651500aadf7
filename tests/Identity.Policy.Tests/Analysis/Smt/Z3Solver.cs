using System.Runtime.InteropServices;
using Identity.Testing.Platform;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>Z3 by its C interface, asked in SMT-LIB 2: five functions that every release of the library has.</summary>
internal sealed unsafe class Z3Solver : IDisposable
{
    private static readonly string FilePath = Path.Combine(Repository.Root, ".dev", "z3", "libz3.so.4");
    private static readonly Lazy<nint> Library = new(() => NativeLibrary.Load(FilePath));

    private readonly nint _context;

    private Z3Solver()
    {
        var configuration = ((delegate* unmanaged<nint>)Export("Z3_mk_config"))();
        _context = ((delegate* unmanaged<nint, nint>)Export("Z3_mk_context"))(configuration);
        ((delegate* unmanaged<nint, void>)Export("Z3_del_config"))(configuration);
    }

    /// <summary>Skips the test where the library is not there, but not in continuous integration.</summary>
    public static Z3Solver OrSkip()
    {
        const string Missing = "Z3's library is not here; deploy/dev/z3.sh .dev/z3 fetches it.";
        Evidence.Demand(File.Exists(FilePath), Missing);
        Assert.SkipUnless(File.Exists(FilePath), Missing);
        return new Z3Solver();
    }

    /// <summary>Runs commands and returns what they print.</summary>
    public string Run(string commands)
    {
        var text = Marshal.StringToCoTaskMemUTF8(commands);
        var answer = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint, nint, nint>)Export("Z3_eval_smtlib2_string"))(_context, text)) ?? "";
        Marshal.FreeCoTaskMem(text);
        return answer.Contains("error", StringComparison.Ordinal) ? throw new InvalidOperationException(answer) : answer.Trim();
    }

    public void Dispose() => ((delegate* unmanaged<nint, void>)Export("Z3_del_context"))(_context);

    private static nint Export(string name) => NativeLibrary.GetExport(Library.Value, name);
}
