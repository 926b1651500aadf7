using System.Security.Cryptography;
using Identity.Server.Ledger;

namespace Identity.Server.Authority;

/// <summary>Files that hold secrets: signing keys and seeds, sealed with a key encryption key.</summary>
/// <param name="current">Everything is sealed with it; null: nothing is sealed, and what is cannot be read.</param>
/// <param name="previous">What <paramref name="current"/> replaces: files still sealed with it are sealed anew by <see cref="SealAll"/>.</param>
internal sealed class SecretFiles(KeyEncryptionKey? current, KeyEncryptionKey? previous = null)
{
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
    public const int MaxFileBytes = 32 * 1024;

    public static readonly string HowToGive =
        $"--{KeyEncryptionSettings.FileSetting}, {KeyEncryptionSettings.Variable} or the systemd credential {KeyEncryptionSettings.Credential}";

    /// <summary>
    /// In the clear, protected by their mode alone. To read the key encryption key itself, and for tests; a server always has a key, its own when
    /// it was given none (<see cref="OwnKeyEncryptionKey"/>).
    /// </summary>
    public static SecretFiles Unsealed { get; } = new(null);

    public bool IsSealedWith(KeyEncryptionKey key) => current?.Id == key.Id;

    /// <summary>The same, and what an older key has sealed is opened and sealed anew, unless another previous key was given.</summary>
    public SecretFiles Replacing(KeyEncryptionKey older) => previous is null ? new SecretFiles(current, older) : this;

    /// <summary>Whole and durable, or not at all.</summary>
    public void Write(string path, ReadOnlySpan<byte> secret) =>
        DurableFile.Write(path, current is null ? secret : current.Seal(Path.GetFileName(path), secret));

    /// <summary>Zero the bytes after use.</summary>
    /// <exception cref="CannotStartException">Other users may open it, or it is sealed and not with the key that was given; the message says what to do.</exception>
    public byte[] Read(string path)
    {
        if ((File.GetUnixFileMode(path) & Others) != 0)
        {
            throw new CannotStartException($"{path} holds a secret and is open to other users; run: chmod 600 {path}");
        }
        if (new FileInfo(path).Length > MaxFileBytes)
        {
            throw new CannotStartException($"{path} has more than {MaxFileBytes} bytes; it is no secret of this server. Restore it from a backup.");
        }
        var content = File.ReadAllBytes(path);
        if (KeyEncryptionKey.IdOf(content) is not { } id)
        {
            return content;
        }
        if (current is null)
        {
            throw new CannotStartException($"{path} is encrypted with the key encryption key {id}, and none was given. Give it with {HowToGive}.");
        }
        var fitting = id == current.Id ? current : id == previous?.Id ? previous : null;
        if (fitting is null)
        {
            throw new CannotStartException(
                $"{path} is encrypted with the key encryption key {id}; the one given is {current.Id}. Give the right one with {HowToGive}, "
                + $"or, if the key was replaced, the old one with --{KeyEncryptionSettings.PreviousFileSetting}.");
        }
        return fitting.TryOpen(Path.GetFileName(path), content, out var secret)
            ? secret
            : throw new CannotStartException($"{path} was damaged, changed or renamed since it was encrypted. Restore it from a backup.");
    }

    /// <summary>
    /// Seals with the current key what is not yet: files from before there was one, and files under the previous one. Nothing is written
    /// before everything could be read; a crash in between leaves whole files, some of which the next start seals.
    /// </summary>
    /// <exception cref="CannotStartException">As <see cref="Read"/>.</exception>
    public void SealAll(string folder, string pattern)
    {
        // What a crash left beside a file: never read, and perhaps a secret in the clear.
        foreach (var leftover in Directory.GetFiles(folder, pattern + ".new"))
        {
            File.Delete(leftover);
        }
        var files = Directory.GetFiles(folder, pattern);
        foreach (var file in files)
        {
            CryptographicOperations.ZeroMemory(Read(file));
        }
        foreach (var file in files)
        {
            if (current is null || KeyEncryptionKey.IdOf(File.ReadAllBytes(file)) == current.Id)
            {
                continue;
            }
            var secret = Read(file);
            Write(file, secret);
            CryptographicOperations.ZeroMemory(secret);
        }
    }
}
