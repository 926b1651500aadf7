using Microsoft.Win32.SafeHandles;

namespace Identity.Fuzzing;

/// <summary>What afl-fuzz wants tried next: it writes it over a file that is our standard input.</summary>
/// <remarks>
/// SharpFuzz reads its first input as soon as it has said that it is there, when afl-fuzz may not have written it yet. On a busy machine it read nothing, the
/// target took no branch, and afl-fuzz gave up: "No instrumentation detected". So the file is read from its beginning once a run is asked for, whatever
/// was read of it before.
/// </remarks>
internal static class FuzzInput
{
    public static byte[] Read(SafeFileHandle file)
    {
        var bytes = new byte[FuzzTarget.MaxInput];
        var length = 0;
        while (RandomAccess.Read(file, bytes.AsSpan(length), length) is > 0 and var read) length += read;
        return bytes.AsSpan(0, length).ToArray();
    }
}
