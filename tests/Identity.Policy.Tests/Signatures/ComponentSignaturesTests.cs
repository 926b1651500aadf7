using System.Collections.Immutable;
using System.Diagnostics;
using CsCheck;
using Identity.Testing.Components;
using Spiffe.Net;
using static Identity.Testing.Components.SignatureWriter;

namespace Identity.Policy.Tests.Signatures;

/// <summary>Whose signatures on a component count: those over all of it, made with the very key, in the one spelling. Written by hand here, byte by byte.</summary>
public sealed class ComponentSignaturesTests : IDisposable
{
    private readonly ComponentSigner _alice = new();
    private readonly ComponentSigner _bob = new();

    private static byte[] Component => new ComponentWriter().Instances("wasi:io/poll@0.2.0").Section(0, [.. ComponentWriter.Text("producers"), 1, 2, 3]).ToArray();

    public void Dispose()
    {
        _alice.Dispose();
        _bob.Dispose();
    }

    [Fact]
    public void Everybody_who_signed_the_whole_is_told_and_nobody_else()
    {
        Assert.Equal([_alice.Name], SignersOf(Sign(Component, _alice)));
        Assert.Equal([_alice.Name, _bob.Name], SignersOf(Sign(Component, _alice, _bob)));
        Assert.Equal([_bob.Name], SignersOf(Sign(Component, _bob)));
        Assert.Empty(Told(Component));
        Assert.True(ComponentReader.TryRead(Sign(Component, _alice), out var imports, out _));
        Assert.Equal("wasi:io/poll@0.2.0", Assert.Single(imports.Imports).Name);
    }

    [Fact]
    public void Openssl_and_we_agree()
    {
        var folder = Directory.CreateTempSubdirectory("signatures-").FullName;
        try
        {
            OpenSsl(folder, "genpkey", "-algorithm", "ed25519", "-out", "key.pem");
            OpenSsl(folder, "pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "key.der");
            var hash = Hash(Component[8..]);
            File.WriteAllBytes(Path.Combine(folder, "message"), Message(hash));
            OpenSsl(folder, "pkeyutl", "-sign", "-rawin", "-inkey", "key.pem", "-in", "message", "-out", "signature");
            // SubjectPublicKeyInfo of Ed25519 ends with the 32 bytes of the key (RFC 8410 §4).
            Assert.True(SignerName.TryOfKey(File.ReadAllBytes(Path.Combine(folder, "key.der")).AsSpan(^32..), out var signer, out _));
            var signed = WithSection(Component, Data(Set([hash], Signature(File.ReadAllBytes(Path.Combine(folder, "signature"))))));
            Assert.Equal([signer], new VerifiedSigners(ComponentSignatures.Read(signed), ComponentSigner.Verify).Among([signer, SignerName.Parse(_alice.Name)]));

            // And what is signed with our key over what we say, openssl verifies.
            Assert.True(ComponentSignatures.TryGetMessage(Component, out var message, out _));
            File.WriteAllBytes(Path.Combine(folder, "message"), message);
            File.WriteAllBytes(Path.Combine(folder, "signature"), _alice.Sign(message));
            File.WriteAllBytes(Path.Combine(folder, "alice.pem"), _alice.PublicPem);
            OpenSsl(folder, "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "alice.pem", "-in", "message", "-sigfile", "signature");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Every_bit_counts()
    {
        var signed = Sign(Component, _alice);
        for (var bit = 0; bit < signed.Length * 8; bit++)
        {
            var flipped = signed.ToArray();
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.True(Among(flipped).IsEmpty, $"bit {bit % 8} of byte {bit / 8} of {signed.Length}");
        }
    }

    [Fact]
    public void Every_byte_must_be_there()
    {
        var signed = Sign(Component, _alice);
        for (var length = 0; length < signed.Length; length++) Assert.True(Among(signed[..length]).IsEmpty, $"{length} bytes");
        for (var at = 0; at < signed.Length; at++) Assert.True(Among([.. signed[..at], .. signed[(at + 1)..]]).IsEmpty, $"without byte {at}");
    }

    [Fact]
    public void Nothing_can_be_put_anywhere()
    {
        var sections = Sections(Component);
        var signed = Sections(Sign(Component, _alice));
        byte[] custom = [0, .. Counted([.. ComponentWriter.Text("x"), 1])];
        for (var at = 0; at <= signed.Length; at++) Untold(Whole([.. signed[..at], custom, .. signed[at..]]), at == 0 ? "not its first section" : "not over the whole");
        for (var at = 1; at <= signed.Length; at++) Untold(Whole([.. signed[..at], Delimiter(), .. signed[at..]]), "not over the whole");
        for (var at = 1; at <= signed.Length; at++) Untold(Whole([.. signed[..at], signed[0], .. signed[at..]]), "not its first section");

        Untold(Whole([signed[0], .. sections.Reverse()]), "not over the whole");
        Untold(Whole([signed[0], .. sections[1..]]), "not over the whole");
        Untold(Whole([signed[0]]), "not over the whole");
        Untold(Whole([signed[0], .. sections, sections[^1]]), "not over the whole");
        Untold([.. Whole(signed), 0], "cut off");
    }

    [Fact]
    public void A_signature_section_counts_in_first_place_only_and_not_from_within()
    {
        var section = Sections(Sign(Component, _alice))[0];
        Untold([.. Component, .. section], "not its first section");
        // Of a nested component it is no more than bytes.
        var outer = new ComponentWriter().Section(4, Sign(Component, _alice)).ToArray();
        Assert.Empty(Told(outer));
        Assert.Equal([_bob.Name], SignersOf(Sign(outer, _bob)));
    }

    [Fact]
    public void Parts_are_signed_all_together_or_not_at_all()
    {
        byte[] first = Sections(Component)[0], second = Sections(Component)[1], third = Sections(Component)[2];
        byte[] d1 = Delimiter(1), d2 = Delimiter(2), d3 = Delimiter(3);
        byte[] h1 = Hash(first, d1), h2 = Hash(first, d1, second, d2), h3 = Hash(first, d1, second, d2, third, d3), open = Hash(first, d1, second, d2, third);
        byte[][] parts = [first, d1, second, d2, third, d3];
        Assert.Equal([_alice.Name], Over(parts, [h1, h2, h3]));
        Assert.Equal([_alice.Name], Over(parts[..^1], [h1, h2, open]));

        foreach (var hashes in new byte[][][] { [h1], [h1, h2], [h3], [h1, h3], [h2, h3], [h2, h1, h3], [h1, h2, h3, h3], [h1, h2, h2], [h1, h2, open], [Hash(first, d1), Hash(second, d2), Hash(third, d3)] })
            Assert.Empty(Over(parts, hashes));
        // Whoever signed three parts did not sign the first two of them, nor four.
        Assert.Empty(Over(parts[..4], [h1, h2, h3]));
        Assert.Empty(Over(parts[..2], [h1, h2, h3]));
        Assert.Empty(Over([.. parts, third], [h1, h2, h3]));
        Assert.Empty(Over([.. parts, third, Delimiter(4)], [h1, h2, h3]));
        // Who signed the beginning only is no signer, though somebody else signed all of it.
        var both = Data(Set([h1], Signature(_alice.Sign(Message(h1)))), Set([h1, h2, h3], Signature(_bob.Sign(Message(h1, h2, h3)))));
        Assert.Equal([_bob.Name], SignersOf(WithSection([.. ComponentWriter.Preamble, .. parts.SelectMany(part => part)], both)));

        ImmutableArray<string> Over(byte[][] sections, byte[][] hashes) => SignersOf(WithSection(
            [.. ComponentWriter.Preamble, .. sections.SelectMany(section => section)], Data(Set(hashes, Signature(_alice.Sign(Message(hashes)))))));
    }

    [Fact]
    public void Only_the_very_message_counts()
    {
        var hash = Hash(Component[8..]);
        byte[][] wrong =
        [
            hash, [.. "wasmsig"u8, .. hash], [.. "wasmsig"u8, 2, 1, 1, .. hash], [.. "wasmsig"u8, 1, 2, 1, .. hash], [.. "wasmsig"u8, 1, 1, 2, .. hash], [.. "WASMSIG"u8, 1, 1, 1, .. hash],
            [.. Message(hash), 0], Component, Message(Hash(Component)), Message(hash, hash), [],
        ];
        foreach (var message in wrong) Assert.Empty(SignersOf(WithSection(Component, Data(Set([hash], Signature(_alice.Sign(message)))))));
        Assert.Empty(SignersOf(WithSection(Component, Data(Set([hash], Signature(new byte[64]))))));
    }

    [Fact]
    public void What_a_key_is_called_proves_nothing()
    {
        var hash = Hash(Component[8..]);
        var signature = _alice.Sign(Message(hash));
        Assert.Equal([_alice.Name], SignersOf(WithSection(Component, Data(Set([hash], Signature(signature, keyId: _bob.PublicKey))))));
        Assert.Empty(new VerifiedSigners(ComponentSignatures.Read(WithSection(Component, Data(Set([hash], Signature(signature, keyId: _bob.PublicKey))))), ComponentSigner.Verify)
            .Among([SignerName.Parse(_bob.Name)]));
    }

    [Fact]
    public void Whatever_has_another_spelling_tells_no_signer()
    {
        var hash = Hash(Component[8..]);
        var signature = _alice.Sign(Message(hash));
        var good = Data(Set([hash], Signature(signature)));
        Assert.Equal([_alice.Name], SignersOf(WithSection(Component, good)));
        (string Why, byte[] Data)[] bad =
        [
            ("of version 2", [2, .. good[1..]]), ("content of type 2", [1, 2, .. good[2..]]), ("hashes of kind 2", [1, 1, 2, .. good[3..]]),
            ("left over", [.. good, 0]), ("left over", Data([.. Set([hash], Signature(signature)), 0])), ("left over", Data(Set([hash], [.. Signature(signature), 0]))),
            ("cut off", good[..^1]), ("cut off", []), ("cut off", [1, 1, 1]), ("longer than needed", [1, 1, 1, 0x81, 0x00, .. good[4..]]),
            ("0 sets", Data()), ("0 hashes", Data(Set([], Signature(signature)))), ("0 signatures", Data(Set([hash]))),
            ("same hashes twice", Data(Set([hash], Signature(signature)), Set([hash], Signature(_bob.Sign(Message(hash)))))),
            ("same signature twice", Data(Set([hash], Signature(signature), Signature(signature, keyId: [1])))),
            ("has 63 bytes", Data(Set([hash], Signature(signature[..63])))), ("has 65 bytes", Data(Set([hash], Signature([.. signature, 0])))),
            ("name of a key", Data(Set([hash], Signature(signature, keyId: new byte[257])))),
            ("algorithm Ed25519", Data(Set([hash], Signature(signature, algorithm: 2)))), ("algorithm 2", Data(Set([hash], Signature(new byte[8193], algorithm: 2)))),
            ("65 hashes", Data(Set([.. Enumerable.Repeat(hash, 65)], Signature(signature)))),
            ("9 signatures", Data(Set([hash], [.. Enumerable.Range(0, 9).Select(i => Signature([(byte)i, .. signature[1..]]))]))),
            ("65 sets", Data([.. Enumerable.Range(0, 65).Select(i => Set([[(byte)i, .. hash[1..]]], Signature(signature)))])),
            ("4294967295 hashes", Data([0xff, 0xff, 0xff, 0xff, 0x0f])), ("32 bits", Data([0xff, 0xff, 0xff, 0xff, 0x1f])),
            ("at most 16384", Data(Set([hash], Signature(signature), Signature(new byte[8192], algorithm: 9), Signature(new byte[8192], algorithm: 8)))),
        ];
        foreach (var (why, data) in bad) Untold(WithSection(Component, data), why);
        // The lengths of the section and of its name are not signed either.
        var content = ComponentWriter.Text("signature").Concat(good).ToArray();
        Untold([.. Component[..8], 0, (byte)(content.Length | 0x80), 0x00, .. content, .. Component[8..]], "longer than needed");
        Untold([.. Component[..8], 0, .. Counted([0x89, 0x00, .. content[1..]]), .. Component[8..]], "longer than needed");
        // Beside one of another algorithm it counts.
        Assert.Equal([_alice.Name], SignersOf(WithSection(Component, Data(Set([hash], Signature(new byte[3309], algorithm: 9), Signature(signature))))));
    }

    [Fact]
    public void Delimiters_have_sixteen_bytes_and_there_are_not_more_than_are_looked_at()
    {
        foreach (var size in new[] { 0, 15, 17 }) Untold(Sign([.. Component, .. Delimiter(size: size)], _alice), "delimiter");
        Untold([.. ComponentWriter.Preamble, .. Enumerable.Range(0, 65).SelectMany(i => Delimiter((byte)i))], "more than 64 parts");
        Untold([.. ComponentWriter.Preamble, .. Enumerable.Range(0, 64).SelectMany(i => Delimiter((byte)i)), .. Component[8..]], "more than 64 parts");
        Assert.Empty(Told([.. ComponentWriter.Preamble, .. Enumerable.Range(0, 64).SelectMany(i => Delimiter((byte)i))]));
    }

    [Fact]
    public void A_core_module_and_what_is_too_large_tell_nobody()
    {
        byte[] core = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
        Untold([.. core, .. Sign(Component, _alice)[8..]], "no component");
        Untold(core, "no component");
        Untold([], "no component");
        Untold(Sign([.. Component, 0, .. Counted([.. ComponentWriter.Text("x"), .. new byte[ComponentReader.MaxComponentSize]])], _alice), "at most");
    }

    [Fact]
    public void Whatever_comes_in_there_is_an_answer() => Gen.Select(Gen.Int[0, 3], Gen.Byte.Array[0, 200], Gen.Int[0, 400], Gen.Int[0, 400]).Sample((how, noise, from, to) =>
    {
        var signed = Sign(Component, _alice);
        var bytes = how switch
        {
            0 => [.. ComponentWriter.Preamble, .. noise],
            1 => WithSection(Component, noise),
            2 => WithSection(Component, [1, 1, 1, .. noise]),
            _ => [.. signed[..Math.Min(from, signed.Length)], .. noise, .. signed[Math.Min(to, signed.Length)..]],
        };
        Assert.True(bytes.SequenceEqual(signed) || Among(bytes).IsEmpty);
    });

    [Fact]
    public void What_was_read_can_be_handed_on_and_tried_with_keys_that_come_later()
    {
        var read = ComponentSignatures.Read(Sign(Component, _alice, _bob));
        Assert.True(ComponentSignatures.TryCreate(read.Hashes, [.. read.Signatures], out var handed, out _));
        Assert.Equal(read, handed);
        Assert.NotEqual(read, ComponentSignatures.Read(Sign(Component, _alice)));
        Assert.NotEqual(ComponentSignatures.None, ComponentSignatures.NotTold("x"));
        var calls = 0;
        var signers = new VerifiedSigners(handed, (key, message, signature) =>
        {
            calls++;
            return ComponentSigner.Verify(key, message, signature);
        });
        Assert.Equal(new VerifiedSigners(read, ComponentSigner.Verify), signers);
        Assert.Equal([_alice.Name], signers.Among([SignerName.Parse(_alice.Name)]).Select(name => name.Text));
        Assert.Equal([_alice.Name, _bob.Name], signers.Among([SignerName.Parse(_alice.Name), SignerName.Parse(_bob.Name)]).Select(name => name.Text));
        var tried = calls;
        Assert.Equal([_bob.Name], signers.Among([SignerName.Parse("release@example.org"), SignerName.Parse(_bob.Name)]).Select(name => name.Text));
        Assert.Equal(tried, calls);
        // Of keys that come and go no more are remembered than two policies can name.
        for (var i = 0; i < 300; i++)
        {
            using var other = new ComponentSigner();
            Assert.Empty(signers.Among([SignerName.Parse(other.Name)]));
        }

        Assert.Equal([_alice.Name], signers.Among([SignerName.Parse(_alice.Name)]).Select(name => name.Text));
    }

    [Theory]
    [InlineData(0, 1, 64)]
    [InlineData(32, 0, 64)]
    [InlineData(31, 1, 64)]
    [InlineData(33, 1, 64)]
    [InlineData(65 * 32, 1, 64)]
    [InlineData(32, 9, 64)]
    [InlineData(32, 1, 63)]
    [InlineData(32, 1, 65)]
    public void What_is_handed_on_is_looked_at_first(int hashes, int signatures, int size)
    {
        Assert.False(ComponentSignatures.TryCreate(new byte[hashes], [.. Enumerable.Range(0, signatures).Select(_ => new byte[size])], out _, out var problem));
        Assert.NotEmpty(problem);
    }

    [Fact]
    public void What_is_added_is_what_is_written_by_hand()
    {
        Assert.True(ComponentSignatures.TryGetMessage(Component, out var message, out _));
        var signed = Added(Component, _alice.Sign(message));
        Assert.Equal(Sign(Component, _alice), signed);
        Assert.True(ComponentSignatures.TryGetMessage(signed, out var again, out _));
        Assert.Equal(message, again);
        Assert.Equal(Sign(Component, _alice, _bob), Added(signed, _bob.Sign(message)));
        Assert.Equal(signed, Added(signed, _alice.Sign(message)));
        Assert.False(ComponentSignatures.TryGetMessage("no component"u8, out _, out var problem));
        Assert.Contains("no component", problem, StringComparison.Ordinal);
        Assert.False(ComponentSignatures.TryAdd("no component"u8, _alice.Sign(message), out _, out problem));
        Assert.Contains("no component", problem, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => ComponentSignatures.TryAdd(Component, new byte[63], out _, out _));
    }

    [Fact]
    public void What_others_signed_stays_as_they_wrote_it()
    {
        var hash = Hash(Component[8..]);
        var message = Message(hash);
        var alien = SignatureWriter.Signature(new byte[96], keyId: "yubikey"u8.ToArray(), algorithm: 9);
        var named = SignatureWriter.Signature(_alice.Sign(message), keyId: "release"u8.ToArray());
        var ofAPart = Set([new byte[32]], SignatureWriter.Signature(_alice.Sign(Message(new byte[32]))));
        var carried = WithSection(Component, Data(ofAPart, Set([hash], alien, named)));

        var added = Added(carried, _bob.Sign(message));

        Assert.Equal(WithSection(Component, Data(ofAPart, Set([hash], alien, named, SignatureWriter.Signature(_bob.Sign(message))))), added);
        Assert.Equal([_alice.Name, _bob.Name], SignersOf(added));
        // One that told no signer does so now.
        Assert.Equal([_bob.Name], SignersOf(Added(WithSection(Component, Data(ofAPart)), _bob.Sign(message))));
        Assert.Equal([_bob.Name], SignersOf(Added(WithSection(Component, Data(Set([hash], alien))), _bob.Sign(message))));
    }

    [Fact]
    public void What_would_not_be_read_is_not_added()
    {
        var hash = Hash(Component[8..]);
        var signature = _bob.Sign(Message(hash));
        byte[][] full = [.. Enumerable.Range(0, ComponentSignatures.MaxSignatures).Select(n => SignatureWriter.Signature([(byte)n], algorithm: 9))];
        Refused(WithSection(Component, Data(Set([hash], full))), "8 signatures already");
        byte[][] sets = [.. Enumerable.Range(0, 64).Select(n => Set([Hash([(byte)n])], full[0]))];
        Refused(WithSection(Component, Data(sets)), "64 sets");
        byte[][] large = [.. Enumerable.Range(0, 2).Select(n => SignatureWriter.Signature([.. Enumerable.Repeat((byte)n, 8140)], algorithm: 9))];
        Refused(WithSection(Component, Data(Set([hash], large))), "bytes; at most");
        Refused(WithSection(Component, [1, 1, 1, 0]), "sets of hashes");

        void Refused(byte[] component, string why)
        {
            Assert.False(ComponentSignatures.TryAdd(component, signature, out var signed, out var problem));
            Assert.Null(signed);
            Assert.Contains(why, problem, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void While_no_more_may_be_verified_nobody_says_who_signed_it()
    {
        var asked = new List<int>();
        var mayVerify = false;
        var signers = new VerifiedSigners(ComponentSignatures.Read(Sign(Component, _alice, _bob)), ComponentSigner.Verify, count =>
        {
            asked.Add(count);
            return mayVerify;
        });
        ImmutableArray<SignerName> keys = [SignerName.Parse(_alice.Name), SignerName.Parse(_bob.Name), SignerName.Parse("acme")];
        var component = Principal.Component(SpiffeId.Parse("spiffe://example.org/cart"), ComponentDigest.Of(Component), SpiffeId.Parse("spiffe://example.org/hosts/a"));

        Assert.Equal(component, signers.Tell(component, keys));
        Assert.Contains("as many signatures", signers.Problem, StringComparison.Ordinal);
        mayVerify = true;
        Assert.Equal(keys[..2], signers.Tell(component, keys).Signers);
        Assert.Null(signers.Problem);
        // What was found out is not asked for again, and a name is nothing to verify.
        mayVerify = false;
        Assert.Equal(keys[..2], signers.Tell(component, keys).Signers);
        Assert.Equal([4, 4], asked);
    }

    private static byte[] Added(byte[] component, byte[] signature)
    {
        Assert.True(ComponentSignatures.TryAdd(component, signature, out var signed, out var problem), problem);
        return signed;
    }

    private static void Untold(byte[] component, string why)
    {
        var read = ComponentSignatures.Read(component);
        Assert.True(read.IsEmpty && read.Signatures.Count == 0 && read.Hashes.IsEmpty);
        Assert.Contains(why, read.Problem ?? "it is told", StringComparison.Ordinal);
    }

    /// <summary>Empty, and for a reason that is no problem.</summary>
    private static IReadOnlyList<byte[]> Told(byte[] component)
    {
        var read = ComponentSignatures.Read(component);
        Assert.Null(read.Problem);
        return read.Signatures;
    }

    private ImmutableArray<string> SignersOf(byte[] component) => [.. Among(component).Select(signer => signer.Text).OrderBy(name => name == _alice.Name ? 0 : 1)];

    private ImmutableArray<SignerName> Among(byte[] component) =>
        new VerifiedSigners(ComponentSignatures.Read(component), ComponentSigner.Verify).Among([SignerName.Parse(_alice.Name), SignerName.Parse(_bob.Name)]);

    /// <summary>Without the preamble; each section here is shorter than 16 KiB.</summary>
    private static byte[][] Sections(byte[] component)
    {
        var sections = new List<byte[]>();
        for (var at = 8; at < component.Length;)
        {
            var isLong = (component[at + 1] & 0x80) != 0;
            var length = (isLong ? 3 : 2) + (component[at + 1] & 0x7f) + (isLong ? component[at + 2] << 7 : 0);
            sections.Add(component[at..(at + length)]);
            at += length;
        }

        return [.. sections];
    }

    private static byte[] Whole(byte[][] sections) => [.. ComponentWriter.Preamble, .. sections.SelectMany(section => section)];

    private static void OpenSsl(string folder, params string[] arguments)
    {
        using var process = Start(folder, arguments);
        if (process is null) Assert.Skip("there is no openssl on this machine");
        process!.WaitForExit();
        Assert.True(process.ExitCode == 0, process.StandardError.ReadToEnd());
    }

    private static Process? Start(string folder, string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo("openssl", arguments) { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
