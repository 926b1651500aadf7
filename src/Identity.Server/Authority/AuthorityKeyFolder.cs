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
    /// <param name="name">Names the key from its public half.</param>
    IAuthorityKey Create(Func<IAuthorityKey, string> name);

    /// <summary>Null when there is no such key, or when what is kept is no key.</summary>
    IAuthorityKey? Load(string id, out string? problem);

    void Forget(string id);
}

/// <summary>Keys as PKCS#8 PEM files in one folder, which only this user may read.</summary>
internal sealed class AuthorityKeyFolder : IAuthorityKeys
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
    private const int MaxFileBytes = 16 * 1024;

    private readonly string _folder;

    /// <exception cref="CannotStartException">Other users may read or write the folder.</exception>
    public AuthorityKeyFolder(string folder)
    {
        _folder = folder;
        Directory.CreateDirectory(folder, OwnerOnly);
        if ((File.GetUnixFileMode(folder) & Others) != 0)
        {
            throw new CannotStartException($"Other users may read or write the key folder {folder}. Close it with: chmod 700 {folder}");
        }
        DurableFile.SyncFolder(Path.GetDirectoryName(Path.GetFullPath(folder))!);
    }

    public IAuthorityKey Create(Func<IAuthorityKey, string> name)
    {
        var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var pkcs8 = key.ExportPkcs8();
        var pem = Encoding.ASCII.GetBytes(PemEncoding.Write("PRIVATE KEY", pkcs8));
        try
        {
            DurableFile.Write(FileOf(name(key)), pem);
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
        if ((File.GetUnixFileMode(file) & Others) != 0)
        {
            problem = $"other users may read or write {file}; close it with: chmod 600 {file}";
            return null;
        }
        if (new FileInfo(file).Length > MaxFileBytes || !TryReadPem(file, out var key, out problem))
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

    private static bool TryReadPem(string file, [NotNullWhen(true)] out LocalAuthorityKey? key, out string? problem)
    {
        key = null;
        problem = null;
        var text = File.ReadAllText(file).ToCharArray();
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
        }
    }
}
