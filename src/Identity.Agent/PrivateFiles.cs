namespace Identity.Agent;

/// <summary>Files that only this agent may read, replaced whole: a reader, or a restart after a crash, sees the old or the new, never a part.</summary>
internal static class PrivateFiles
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static void CreateDirectory(string path) => Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute);

    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var file = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerOnly,
            BufferSize = 0,
        }))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Null when there is no such file; throws <see cref="IOException"/> when it is larger than <paramref name="limit"/> bytes.</summary>
    public static byte[]? ReadIfExists(string path, int limit)
    {
        if (!File.Exists(path)) return null;
        using var file = File.OpenRead(path);
        if (file.Length > limit) throw new IOException($"'{path}' has {file.Length} bytes; at most {limit} are expected");
        var content = new byte[file.Length];
        file.ReadExactly(content);
        return content;
    }
}
