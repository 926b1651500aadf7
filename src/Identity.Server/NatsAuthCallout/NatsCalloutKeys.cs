using System.Security.Cryptography;
using System.Text;
using Identity.Server.Authority;
using NATS.NKeys;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// The three keys of the callout: the user it logs in with, the account key that signs users, and the curve key that requests are
/// sealed to. Made once and kept, because nats-server's configuration names their public parts and cannot be reloaded.
/// </summary>
internal sealed class NatsCalloutKeys(KeyPair user, KeyPair issuer, CurveKeyPair curve) : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int MaxSeedFileBytes = 256;

    public KeyPair User { get; } = user;

    public KeyPair Issuer { get; } = issuer;

    public CurveKeyPair Curve { get; } = curve;

    public static NatsCalloutKeys Create() => new(KeyPair.CreatePair(NKeyPrefix.User), KeyPair.CreatePair(NKeyPrefix.Account), CurveKeyPair.Create());

    /// <summary>Reads the keys kept in the folder; makes those that are missing.</summary>
    /// <exception cref="CannotStartException">A file is damaged, of another type, or open to other users; the message names it and the mend.</exception>
    public static NatsCalloutKeys LoadOrCreate(string folder, SecretFiles secrets)
    {
        Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
        secrets.SealAll(folder, "*.seed");
        return new NatsCalloutKeys(
            Keep(secrets, folder, "callout-user.seed", SigningKey(NKeyPrefix.User), () => KeyPair.CreatePair(NKeyPrefix.User), key => key.GetSeed()),
            Keep(secrets, folder, "issuer-account.seed", SigningKey(NKeyPrefix.Account), () => KeyPair.CreatePair(NKeyPrefix.Account), key => key.GetSeed()),
            Keep(secrets, folder, "xkey.seed", seed => CurveKeyPair.FromSeed(seed), CurveKeyPair.Create, key => key.GetSeed()));
    }

    public void Dispose()
    {
        User.Dispose();
        Issuer.Dispose();
        Curve.Dispose();
    }

    private static Func<string, KeyPair> SigningKey(NKeyPrefix prefix) => seed =>
    {
        var key = KeyPair.FromSeed(seed);
        return key.Prefix == prefix ? key : throw new FormatException($"This seed is of a key of type {key.Prefix}; expected {prefix}.");
    };

    private static T Keep<T>(SecretFiles secrets, string folder, string name, Func<string, T> read, Func<T> create, Func<T, string> seedOf)
    {
        var path = Path.Combine(folder, name);
        if (!File.Exists(path))
        {
            var key = create();
            secrets.Write(path, Encoding.ASCII.GetBytes(seedOf(key) + "\n"));
            return key;
        }

        var content = secrets.Read(path);
        if (content.Length > MaxSeedFileBytes)
            throw new CannotStartException($"{path} is not a seed file of this server; restore it, or remove it and give nats-server the new configuration");
        try
        {
            return read(Encoding.ASCII.GetString(content).Trim());
        }
        catch (FormatException e)
        {
            throw new CannotStartException($"{path}: {e.Message} Restore it, or remove it and give nats-server the new configuration.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }
}
