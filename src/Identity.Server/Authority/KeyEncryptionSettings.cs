using System.Collections;
using System.Security.Cryptography;
using System.Text;

namespace Identity.Server.Authority;

/// <summary>
/// Where the key encryption key comes from: a file, a variable or a systemd credential, exactly one of them. None: the server makes its own
/// (<see cref="OwnKeyEncryptionKey"/>). Given twice is refused, also when both are the same: nobody should have to know which one wins.
/// </summary>
internal static class KeyEncryptionSettings
{
    public const string FileSetting = "key-encryption-key-file";
    public const string PreviousFileSetting = "previous-key-encryption-key-file";
    public const string Variable = "IDENTITYD_KEY_ENCRYPTION_KEY";
    public const string PreviousVariable = "IDENTITYD_PREVIOUS_KEY_ENCRYPTION_KEY";
    public const string Credential = "identityd-key-encryption-key";
    public const string PreviousCredential = "identityd-previous-key-encryption-key";

    private const int MaxFileBytes = 1024;
    private const UnixFileMode Others =
        UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.GroupWrite;

    /// <summary>Null when none is given.</summary>
    /// <exception cref="CannotStartException">Given twice, unreadable, open to others, or not a key. Exit code 2.</exception>
    public static SecretFiles? Read(IConfiguration settings, IDictionary environment)
    {
        var current = Read(settings[FileSetting], FileSetting, environment, Variable, Credential);
        var previous = Read(settings[PreviousFileSetting], PreviousFileSetting, environment, PreviousVariable, PreviousCredential);
        if (previous is not null && current is null)
        {
            throw Wrong($"a previous key encryption key was given, but none that replaces it; give it with --{FileSetting}, {Variable} or the systemd credential {Credential}");
        }
        return current is null ? null : new SecretFiles(current, previous);
    }

    private static KeyEncryptionKey? Read(string? file, string fileSetting, IDictionary environment, string variable, string credential)
    {
        var folder = environment["CREDENTIALS_DIRECTORY"] as string;
        var credentialFile = string.IsNullOrEmpty(folder) ? null : Path.Combine(folder, credential);
        var sources = new List<(string Name, Func<KeyEncryptionKey?> Read)>();
        if (!string.IsNullOrEmpty(file))
        {
            sources.Add(($"--{fileSetting}", () => ReadFile(Path.GetFullPath(file), isCredential: false)));
        }
        if (environment[variable] is string { Length: > 0 } text)
        {
            sources.Add((variable, () => KeyEncryptionKey.TryParse(text, out var key) ? key : null));
        }
        if (credentialFile is not null && File.Exists(credentialFile))
        {
            sources.Add(($"the systemd credential {credential}", () => ReadFile(credentialFile, isCredential: true)));
        }
        return sources switch
        {
            [] => null,
            [var only] => only.Read() ?? throw Wrong($"{only.Name} is not a key: expected base64 of {KeyEncryptionKey.Length} random bytes, made with: openssl rand -base64 {KeyEncryptionKey.Length}"),
            _ => throw Wrong($"the key is given by {string.Join(" and by ", sources.Select(source => source.Name))}; leave one"),
        };
    }

    private static KeyEncryptionKey? ReadFile(string path, bool isCredential)
    {
        var bytes = new byte[MaxFileBytes];
        var characters = new char[MaxFileBytes];
        try
        {
            // systemd guards its credentials by an access control list, which the mode does not show.
            if (!isCredential && (File.GetUnixFileMode(path) & Others) != 0)
            {
                throw Wrong($"other users may read or write {path}; close it with: chmod 600 {path}");
            }
            using var stream = File.OpenRead(path);
            var length = stream.ReadAtLeast(bytes, MaxFileBytes, throwOnEndOfStream: false);
            return length < MaxFileBytes && KeyEncryptionKey.TryParse(characters.AsSpan(0, Encoding.ASCII.GetChars(bytes, 0, length, characters, 0)), out var key)
                ? key
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Wrong($"the key encryption key in {path} cannot be read: {e.Message}");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
            Array.Clear(characters);
        }
    }

    private static CannotStartException Wrong(string problem) => new($"identityd: {problem}.", 2);
}
