namespace Identity.Server.Ledger;

/// <summary>The folder everything is kept in, ours alone for as long as this lives.</summary>
internal sealed class LedgerFolder : IDisposable
{
    private const UnixFileMode OwnerOnlyFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OwnerOnlyFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly FileStream _lock;

    private LedgerFolder(string path, FileStream @lock)
    {
        Path = path;
        _lock = @lock;
    }

    public string Path { get; }

    /// <summary>Creates the folder when it is missing, and locks it.</summary>
    /// <exception cref="CannotStartException">It cannot be used, others may write to it, or another process has it.</exception>
    public static LedgerFolder Open(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        try
        {
            Directory.CreateDirectory(path, OwnerOnlyFolder);
            RefuseWhatOthersMayWrite(path);
            return new LedgerFolder(path, Lock(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CannotStartException($"Cannot use the data folder {path}: {e.Message} Choose another with --data-dir.", e);
        }
    }

    /// <summary>A file in the folder that only its owner may read, created empty when it is missing.</summary>
    public string PrivateFile(string name) => PrivateFile(Path, name);

    /// <summary>The same in a folder that is locked already.</summary>
    public static string PrivateFile(string folder, string name)
    {
        var file = System.IO.Path.Combine(folder, name);
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, UnixCreateMode = OwnerOnlyFile };
        using (new FileStream(file, options))
        {
        }
        File.SetUnixFileMode(file, OwnerOnlyFile);
        return file;
    }

    public void Dispose() => _lock.Dispose();

    private static void RefuseWhatOthersMayWrite(string path)
    {
        if ((File.GetUnixFileMode(path) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
        {
            throw new CannotStartException($"Other users may write to the data folder {path}. Close it with: chmod 700 {path}");
        }
    }

    private static FileStream Lock(string path)
    {
        var file = System.IO.Path.Combine(path, "lock");
        try
        {
            // FileShare.None takes flock(LOCK_EX), which the kernel drops with the process, however that ends.
            return new FileStream(file, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                UnixCreateMode = OwnerOnlyFile,
            });
        }
        catch (IOException e)
        {
            throw new CannotStartException(
                $"Another identityd is using the data folder {path}. Stop it, or choose another folder with --data-dir.", e);
        }
    }
}
