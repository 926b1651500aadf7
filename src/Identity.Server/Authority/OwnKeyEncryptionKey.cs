using System.Security.Cryptography;
using System.Text;
using Identity.Server.Ledger;

namespace Identity.Server.Authority;

/// <summary>
/// The key encryption key of a server that was given none: made at its first start, a file of its own in the data folder. So nothing is ever written
/// in the clear. It guards a copy of the key files alone, and against sealed files that were changed (one in the clear is read, and sealed); a copy of
/// the whole data folder has both, which every start says. The file is what <c>--key-encryption-key-file</c> takes, so moving it out and naming it is all there is to do.
/// </summary>
internal static partial class OwnKeyEncryptionKey
{
    public const string FileName = "key-encryption-key";

    // Where secrets are, below the data folder.
    private static readonly string[] Folders = ["keys", "nats"];

    /// <summary>How the private files of a data folder are kept: with what was given, or with the server's own key.</summary>
    /// <param name="given">Null when no key encryption key was.</param>
    /// <exception cref="CannotStartException">
    /// There is neither, and files are sealed with a key that is gone: a new one would not open them. Or the own key is damaged or open to others.
    /// </exception>
    public static SecretFiles Complete(string dataDir, SecretFiles? given, ILogger logger)
    {
        var path = Path.Combine(dataDir, FileName);
        var own = File.Exists(path) ? Read(path) : null;
        if (given is null)
        {
            own ??= Make(path, dataDir);
            LogBeside(logger, path, KeyEncryptionSettings.FileSetting, KeyEncryptionSettings.Credential);
            return new SecretFiles(own);
        }
        if (own is null)
        {
            return given;
        }
        if (given.IsSealedWith(own))
        {
            LogBeside(logger, path, KeyEncryptionSettings.FileSetting, KeyEncryptionSettings.Credential);
            return given;
        }
        // What the own key has sealed is sealed anew by this start, as with a previous key that was given.
        LogReplaced(logger, path);
        return given.Replacing(own);
    }

    private static KeyEncryptionKey Read(string path)
    {
        var content = SecretFiles.Unsealed.Read(path);
        var text = Encoding.ASCII.GetChars(content);
        try
        {
            return KeyEncryptionKey.TryParse(text, out var key)
                ? key
                : throw new CannotStartException($"{path} is not the key it was: expected base64 of {KeyEncryptionKey.Length} bytes. Restore it from a backup.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
            Array.Clear(text);
        }
    }

    private static KeyEncryptionKey Make(string path, string dataDir)
    {
        if (FindSealed(dataDir) is var (file, id))
        {
            throw new CannotStartException(
                $"{file} is encrypted with the key encryption key {id}, and none was given. Give it with {SecretFiles.HowToGive}; or, if it was the server's own, put it back at {path}.");
        }
        Span<byte> random = stackalloc byte[KeyEncryptionKey.Length];
        RandomNumberGenerator.Fill(random);
        var text = Encoding.ASCII.GetBytes(Convert.ToBase64String(random) + "\n");
        CryptographicOperations.ZeroMemory(random);
        DurableFile.Write(path, text);
        CryptographicOperations.ZeroMemory(text);
        return Read(path);
    }

    private static (string File, string Id)? FindSealed(string dataDir)
    {
        foreach (var folder in Folders.Select(name => Path.Combine(dataDir, name)).Where(Directory.Exists))
        {
            foreach (var file in Directory.EnumerateFiles(folder).Where(file => new FileInfo(file).Length <= SecretFiles.MaxFileBytes))
            {
                if (KeyEncryptionKey.IdOf(File.ReadAllBytes(file)) is { } id) return (file, id);
            }
        }
        return null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The key that encrypts signing keys and seeds at rest lies beside them, in {File}: whoever copies the data folder has both. "
        + "Move the file out and name it with --{Setting}, or make it the systemd credential {Credential}.")]
    private static partial void LogBeside(ILogger logger, string file, string setting, string credential);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Another key encryption key was given than the server's own in {File}, which opens backups only once this start is complete. Remove it when they are gone.")]
    private static partial void LogReplaced(ILogger logger, string file);
}
