using Identity.Fuzzing;
using Xunit;

namespace Identity.Conformance.Tests;

public sealed class FuzzInputTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fuzz-").FullName;

    [Fact]
    public void Is_what_the_fuzzer_wrote_last_also_when_it_was_looked_for_too_early()
    {
        var path = Path.Combine(_folder, "input");
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);

        // What SharpFuzz does first: to the end of a file in which nothing stands yet.
        Assert.Equal(-1, file.ReadByte());
        Assert.Empty(FuzzInput.Read(file.SafeFileHandle));

        Write("the first, which is longer"u8);
        Assert.Equal("the first, which is longer"u8.ToArray(), FuzzInput.Read(file.SafeFileHandle));
        Assert.Equal("the first, which is longer"u8.ToArray(), FuzzInput.Read(file.SafeFileHandle));
        Write("the next"u8);
        file.Seek(0, SeekOrigin.End);
        Assert.Equal("the next"u8.ToArray(), FuzzInput.Read(file.SafeFileHandle));

        // As afl-fuzz does, through a descriptor of its own.
        void Write(ReadOnlySpan<byte> input)
        {
            using var fuzzer = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            fuzzer.Write(input);
            fuzzer.SetLength(input.Length);
        }
    }

    [Fact]
    public void Is_no_longer_than_any_door_admits()
    {
        var path = Path.Combine(_folder, "long");
        File.WriteAllBytes(path, new byte[FuzzTarget.MaxInput + 1]);
        using var file = File.OpenHandle(path);
        Assert.Equal(FuzzTarget.MaxInput, FuzzInput.Read(file).Length);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
