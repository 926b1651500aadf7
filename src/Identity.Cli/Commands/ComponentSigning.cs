using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy;
using NSec.Cryptography;

namespace Identity.Cli.Commands;

/// <summary><c>identity component sign FILE</c> and <c>identity component signers FILE</c>: signatures over a whole component, as admissions verify them.</summary>
internal static class ComponentSigning
{
    // A key in PEM has less than 200 bytes.
    private const int MaxKeyBytes = 4 << 10;

    public static Command Sign()
    {
        var file = new Argument<string>("file");
        var key = new Option<string>("--key") { Description = "An Ed25519 private key in PEM, as `openssl genpkey -algorithm ed25519` writes it", HelpName = "FILE.pem", Required = true };
        var output = new Option<string>("--out") { Description = "Where the signed component is written", HelpName = "FILE", Required = true };
        var command = new Command("sign", "Add a signature over the whole of a component, and print whose it is") { file, key, output };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(file)!;
            var (bytes, _) = ComponentFile.Read(path);
            if (!ComponentSignatures.TryGetMessage(bytes, out var message, out var unread)) throw Unsignable(unread);
            using var signer = ReadPrivateKey(parsed.GetValue(key)!);
            if (!SignerName.TryOfKey(signer.PublicKey.Export(KeyBlobFormat.RawPublicKey), out var name, out var problem)) throw new RefusedException(problem);
            // Ed25519 makes the same signature each time.
            var signature = SignatureAlgorithm.Ed25519.Sign(signer, message);
            if (!ComponentSignatures.TryAdd(bytes, signature, out var signed, out unread)) throw Unsignable(unread);
            File.WriteAllBytes(parsed.GetValue(output)!, signed);
            var digest = ComponentDigest.Of(signed).Text;
            var answer = new Struct { Fields = { ["signer"] = Value.ForString(name.Text), ["digest"] = Value.ForString(digest) } };
            return Answer.Print(parsed, answer, text =>
            {
                text.WriteLine($"signer   {name}");
                text.WriteLine($"digest   {digest}");
            });

            RefusedException Unsignable(string why) => new($"nobody could read a signature of {path}: {why}. Sign it as it was built.");
        });
        return command;
    }

    public static Command Signers()
    {
        var file = new Argument<string>("file");
        var keys = new Option<string[]>("--key")
        {
            Description = "Whose signature to look for: ed25519:…, or a file with a public or private key in PEM",
            HelpName = "KEY",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var command = new Command("signers", "Print which of the keys have signed the whole of a component") { file, keys };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(file)!;
            var (bytes, _) = ComponentFile.Read(path);
            var carried = ComponentSignatures.Read(bytes);
            if (carried.Problem is { } problem) throw new RefusedException($"nobody can tell who signed {path}: {problem}");
            var names = new VerifiedSigners(carried, Ed25519Signatures.Verify).Among([.. parsed.GetValue(keys)!.Select(NameOf).Distinct()]);
            var code = Answer.Print(parsed, new Struct { Fields = { ["signers"] = Value.ForList([.. names.Select(name => Value.ForString(name.Text))]) } }, text =>
            {
                foreach (var name in names) text.WriteLine(name);
                if (names.IsEmpty) text.WriteLine(carried.IsEmpty ? "it carries no signature" : "none of these keys has signed it");
            });
            return names.IsEmpty ? ExitCode.Refused : code;
        });
        return command;
    }

    private static SignerName NameOf(string key)
    {
        if (!File.Exists(key)) return SignerName.TryParse(key, out var given, out var why) && given.IsKey ? given : throw new UsageException($"--key: {why ?? $"'{key}' is neither a file nor ed25519:…"}");
        var pem = ReadPem(key);
        PublicKey? publicKey;
        if (!PublicKey.TryImport(SignatureAlgorithm.Ed25519, pem, KeyBlobFormat.PkixPublicKeyText, out publicKey))
        {
            using var pair = ReadPrivateKey(key);
            publicKey = pair.PublicKey;
        }

        return SignerName.TryOfKey(publicKey!.Export(KeyBlobFormat.RawPublicKey), out var name, out var problem) ? name : throw new UsageException($"--key {key}: {problem}");
    }

    private static Key ReadPrivateKey(string path) =>
        Key.TryImport(SignatureAlgorithm.Ed25519, ReadPem(path), KeyBlobFormat.PkixPrivateKeyText, out var key) && key is not null
            ? key
            : throw new UsageException($"--key {path}: there is no Ed25519 key in PEM in it; `openssl genpkey -algorithm ed25519` makes one.");

    private static byte[] ReadPem(string path)
    {
        if (!File.Exists(path)) throw new UsageException($"there is no file '{path}'.");
        return new FileInfo(path).Length <= MaxKeyBytes ? File.ReadAllBytes(path) : throw new UsageException($"--key {path}: it is too large for a key.");
    }
}
