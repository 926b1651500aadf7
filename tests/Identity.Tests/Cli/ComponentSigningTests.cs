// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Cli;
using Identity.Testing.Components;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Cli;

/// <summary><c>identity component sign</c> and <c>signers</c>, and what the verbs about policy make of a signed file.</summary>
public sealed class ComponentSigningTests : IAsyncLifetime
{
    private readonly ComponentSigner _release = new();
    private readonly ComponentSigner _other = new();
    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        _release.Dispose();
        _other.Dispose();
        await _cli.DisposeAsync();
    }

    [Fact]
    public async Task Signs_as_anybody_else_would_and_says_whose_name_it_is()
    {
        var (file, key, signed) = (_cli.Write("probe.wasm", ProbeComponent.Bytes), _cli.Write("key.pem", _release.Pem), _cli.Write("signed.wasm", ""));
        var (code, output, error) = await CliServer.RunOfflineAsync("component", "sign", file, "--key", key, "--out", signed);
        Assert.True(code == ExitCode.Ok, error);
        Assert.Contains($"signer   {_release.Name}\n", output, StringComparison.Ordinal);
        Assert.Equal(SignatureWriter.Sign(ProbeComponent.Bytes, _release), await File.ReadAllBytesAsync(signed));

        var second = _cli.Write("other.pem", _other.Pem);
        Assert.Equal(ExitCode.Ok, (await CliServer.RunOfflineAsync("component", "sign", signed, "--key", second, "--out", signed)).Code);
        Assert.Equal(ExitCode.Ok, (await CliServer.RunOfflineAsync("component", "sign", signed, "--key", second, "--out", signed)).Code);
        Assert.Equal(SignatureWriter.Sign(ProbeComponent.Bytes, _release, _other), await File.ReadAllBytesAsync(signed));
        Assert.Contains("signers  2", (await CliServer.RunOfflineAsync("component", "inspect", signed)).Output, StringComparison.Ordinal);

        var publicKey = _cli.Write("public.pem", _other.PublicPem);
        Assert.Equal($"{_release.Name}\n{_other.Name}\n", (await CliServer.RunOfflineAsync("component", "signers", signed, "--key", _release.Name, publicKey)).Output);
        Assert.Equal($"{_release.Name}\n", (await CliServer.RunOfflineAsync("component", "signers", signed, "--key", key)).Output);
    }

    [Fact]
    public async Task Refuses_what_it_cannot_sign_and_keys_that_are_none()
    {
        var (file, key, signed) = (_cli.Write("probe.wasm", ProbeComponent.Bytes), _cli.Write("key.pem", _release.Pem), _cli.Write("signed.wasm", SignatureWriter.Sign(ProbeComponent.Bytes, _release)));
        var changed = _cli.Write("changed.wasm", [.. SignatureWriter.Sign(ProbeComponent.Bytes, _release), 0, 3, .. ComponentWriter.Text("x"), 1]);
        var torn = _cli.Write("torn.wasm", SignatureWriter.WithSection(ProbeComponent.Bytes, [9]));
        await RefusedAsync("of version 9", "component", "sign", torn, "--key", key, "--out", signed);
        await RefusedAsync("no Ed25519 key in PEM", "component", "sign", file, "--key", _cli.Write("no.pem", "no"), "--out", signed);
        await RefusedAsync("no Ed25519 key in PEM", "component", "sign", file, "--key", _cli.Write("public.pem", _release.PublicPem), "--out", signed);
        await RefusedAsync("no file", "component", "sign", file, "--key", "nowhere.pem", "--out", signed);
        await RefusedAsync("nobody can tell who signed", "component", "signers", changed, "--key", _release.Name);
        await RefusedAsync("43 characters", "component", "signers", signed, "--key", "ed25519:x");
        await RefusedAsync("neither a file nor", "component", "signers", signed, "--key", "release@example.org");
        var (code, output, _) = await CliServer.RunOfflineAsync("component", "signers", signed, "--key", _other.Name);
        Assert.Equal((ExitCode.Refused, "none of these keys has signed it\n"), (code, output));
        Assert.Equal("it carries no signature\n", (await CliServer.RunOfflineAsync("component", "signers", file, "--key", _other.Name)).Output);
    }

    [Fact]
    public async Task Policy_decide_takes_digest_and_signers_from_the_file()
    {
        await _cli.AppliedAsync(Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}"));
        var (code, output, error) = await DecideAsync(SignatureWriter.Sign(ProbeComponent.Bytes, _release));
        Assert.True(code == ExitCode.Ok, output + error);
        Assert.Contains($"the component is signed by {_release.Name}\n", output, StringComparison.Ordinal);

        (code, output, _) = await DecideAsync(SignatureWriter.Sign(ProbeComponent.Bytes, _other));
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains($"is for what '{_release.Name}' signed", output, StringComparison.Ordinal);
        Assert.Contains("the component is signed with no key that policy names\n", output, StringComparison.Ordinal);
        (code, output, _) = await DecideAsync(ProbeComponent.Bytes);
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("the component carries no signature\n", output, StringComparison.Ordinal);

        (code, output, _) = await DecideAsync([.. SignatureWriter.Sign(ProbeComponent.Bytes, _release), 0, 3, .. ComponentWriter.Text("x"), 1]);
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("the component tells nobody who signed it: its signatures are not over the whole", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_decide_sees_a_forbid_by_the_key_that_signed_whoever_else_is_named()
    {
        await _cli.AppliedAsync(Permit("shop"), Forbid("stolen", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}"));
        Assert.Equal(ExitCode.Refused, (await DecideAsync(SignatureWriter.Sign(ProbeComponent.Bytes, _release))).Code);
        foreach (var signer in new[] { "ops@example.org", _other.Name })
        {
            var (code, _, error) = await _cli.RunAsync(
                "policy", "decide", CliServer.Cart, "start", "--component", _cli.Write("asked.wasm", SignatureWriter.Sign(ProbeComponent.Bytes, _release)), "--signer", signer);
            Assert.Equal(ExitCode.Usage, code);
            Assert.Contains("--signer contradicts --component", error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Policy_decide_about_a_start_names_who_tries_all_of_it()
    {
        await _cli.AppliedAsync(Permit("shop", capability: "start"));
        var note = $"this is about the start alone; with what it imports, and the call: identity policy check --server --component {CliServer.Cart}=";
        var (code, output, _) = await DecideAsync(ProbeComponent.Bytes);
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains(note, output, StringComparison.Ordinal);
        Assert.DoesNotContain(note, (await _cli.RunAsync("policy", "decide", CliServer.Cart, "start")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_check_tries_the_keys_of_the_policy_with_the_file()
    {
        var policy = _cli.Write("policy.yaml", Permit("shop", $"{{ spiffeIdPrefix: {Shop}, signer: {_release.Name} }}", "{ import: acme:probe/store@1.0.0 }, { import: wasi:io/poll@0.2.0 }"));
        var signed = _cli.Write("signed.wasm", SignatureWriter.Sign(ProbeComponent.Bytes, _release));
        var unsigned = _cli.Write("unsigned.wasm", ProbeComponent.Bytes);
        Assert.Contains("wasi:io/poll", (await CliServer.RunOfflineAsync("policy", "check", policy, "--component", $"{CliServer.Cart}={signed}")).Output, StringComparison.Ordinal);
        Assert.DoesNotContain("wasi:io/poll", (await CliServer.RunOfflineAsync("policy", "check", policy, "--component", $"{CliServer.Cart}={unsigned}")).Output, StringComparison.Ordinal);
    }

    private Task<(int Code, string Output, string Error)> DecideAsync(byte[] component) =>
        _cli.RunAsync("policy", "decide", CliServer.Cart, "start", "--component", _cli.Write("asked.wasm", component));

    private static async Task RefusedAsync(string why, params string[] arguments)
    {
        var (code, output, error) = await CliServer.RunOfflineAsync(arguments);
        Assert.NotEqual(ExitCode.Ok, code);
        Assert.Contains(why, output + error, StringComparison.Ordinal);
    }
}
