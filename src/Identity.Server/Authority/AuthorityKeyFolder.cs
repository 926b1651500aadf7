using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Identity.Issuance;
using Identity.Server.Ledger;

namespace Identity.Server.Authority;

/// <summary>Where the private keys of the authority are kept.</summary>
internal interface IAuthorityKeys
{
    /// <summary>Makes a key and keeps it for good before it is returned.</summary>
    /// <param name="algorithm">What it will sign with.</param>
    /// <param name="name">Names the key from its public half.</param>
    IAuthorityKey Create(SigningAlgorithm algorithm, Func<IAuthorityKey, string> name);

    /// <summary>Null when there is no such key, or when what is kept is no key.</summary>
    IAuthorityKey? Load(string id, out string? problem);

    void Forget(string id);
}

/// <summary>Keys as PKCS#8 PEM files in one folder, which only this user may read; sealed with the key encryption key.</summary>
internal sealed class AuthorityKeyFolder : IAuthorityKeys
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly string _folder;
    private readonly SecretFiles _secrets;

    /// <exception cref="CannotStartException">Other users may read or write the folder, or its files are sealed with another key.</exception>
    public AuthorityKeyFolder(string folder, SecretFiles secrets)
    {
        _folder = folder;
        _secrets = secrets;
        Directory.CreateDirectory(folder, OwnerOnly);
        if ((File.GetUnixFileMode(folder) & Others) != 0)
        {
            throw new CannotStartException($"Other users may read or write the key folder {folder}. Close it with: chmod 700 {folder}");
        }
        DurableFile.SyncFolder(Path.GetDirectoryName(Path.GetFullPath(folder))!);
        _secrets.SealAll(folder, "authority-*.pem");
    }

    public IAuthorityKey Create(SigningAlgorithm algorithm, Func<IAuthorityKey, string> name)
    {
        var key = LocalAuthorityKey.Generate(algorithm);
        var pkcs8 = key.ExportPkcs8();
        var pem = Encoding.ASCII.GetBytes(PemEncoding.Write("PRIVATE KEY", pkcs8));
        try
        {
            _secrets.Write(FileOf(name(key)), pem);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pkcs8);
            CryptographicOperations.ZeroMemory(pem);
        }
        return key;
    }

    public IAuthorityKey? Load(string id, out string? problem)
    {
        var file = FileOf(id);
        if (!File.Exists(file))
        {
            problem = $"{file} is missing";
            return null;
        }
        if (!TryReadPem(_secrets.Read(file), out var key, out problem))
        {
            problem = $"{file} is not an unencrypted PKCS#8 key in PEM";
            return null;
        }
        return key;
    }

    public void Forget(string id) => File.Delete(FileOf(id));

    // Ids are hexadecimal or base64url, so they are file names as they are; the ledger is not trusted to keep it so.
    private string FileOf(string id) => id.Length is > 0 and <= 128 && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
        ? Path.Combine(_folder, $"authority-{id}.pem")
        : throw new InvalidDataException("The ledger names an authority by something that is no id.");

    private static bool TryReadPem(byte[] pem, [NotNullWhen(true)] out LocalAuthorityKey? key, out string? problem)
    {
        key = null;
        problem = null;
        var text = Encoding.ASCII.GetChars(pem);
        try
        {
            if (!PemEncoding.TryFind(text, out var found) || !text.AsSpan()[found.Label].SequenceEqual("PRIVATE KEY"))
            {
                return false;
            }
            var pkcs8 = Convert.FromBase64CharArray(text, found.Base64Data.Start.Value, found.Base64Data.End.Value - found.Base64Data.Start.Value);
            var imported = LocalAuthorityKey.TryImportPkcs8(pkcs8, out key, out problem);
            CryptographicOperations.ZeroMemory(pkcs8);
            return imported;
        }
        finally
        {
            Array.Clear(text);
            CryptographicOperations.ZeroMemory(pem);
        }
    }
}
