using Identity.Server.NatsAuthCallout;

namespace Identity.Tests.Server.NatsAuthCallout;

public sealed class NatsServerConfigurationTests : IDisposable
{
    private readonly NatsCalloutKeys _keys = NatsCalloutKeys.Create();

    public void Dispose() => _keys.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("4222")]
    [InlineData(":4222")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:0")]
    [InlineData("127.0.0.1:-2")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:4222\"\nauthorization {}")]
    [InlineData("nats\".example.org:4222")]
    [InlineData("a b:4222")]
    [InlineData("tls://127.0.0.1:4222")]
    public void Refuses_what_is_no_address(string listen)
    {
        Assert.False(NatsServerConfiguration.TryWrite(_keys, listen, "/tls/cert.pem", "/tls/key.pem", out var text, out var problem));
        Assert.Null(text);
        Assert.Contains("is no address to listen on; expected host:port such as 127.0.0.1:4222", problem, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', problem);
    }

    [Theory]
    [InlineData("")]
    [InlineData("cert.pem")]
    [InlineData("./cert.pem")]
    [InlineData("/tls/\"; include other.conf; \"")]
    [InlineData("/tls/back\\slash")]
    [InlineData("/tls/line\nbreak")]
    [InlineData("/tls/nul\0")]
    public void Refuses_a_path_that_is_relative_or_would_end_its_quotes(string path)
    {
        Assert.False(NatsServerConfiguration.TryWrite(_keys, "127.0.0.1:4222", path, "/tls/key.pem", out _, out var problem));
        Assert.Contains("no absolute path of the TLS certificate file", problem, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', problem);
        Assert.False(NatsServerConfiguration.TryWrite(_keys, "127.0.0.1:4222", "/tls/cert.pem", path, out _, out problem));
        Assert.Contains("no absolute path of the TLS key file", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_path_that_is_too_long_and_repeats_only_its_beginning()
    {
        Assert.False(NatsServerConfiguration.TryWrite(_keys, "127.0.0.1:4222", "/" + new string('a', 4096), "/k", out _, out var problem));
        Assert.True(problem.Length < 400, problem);
    }

    [Theory]
    [InlineData("127.0.0.1:4222")]
    [InlineData("[::1]:4222")]
    [InlineData("nats.example.org:4222")]
    [InlineData("127.0.0.1:-1")]
    public void Names_public_keys_only_and_no_other_user(string listen)
    {
        Assert.True(NatsServerConfiguration.TryWrite(_keys, listen, "/tls/cert.pem", "/tls/key.pem", out var text, out var problem), problem);
        Assert.Contains($"listen: \"{listen}\"", text, StringComparison.Ordinal);
        Assert.Contains(_keys.Issuer.GetPublicKey(), text, StringComparison.Ordinal);
        Assert.Contains(_keys.Curve.GetPublicKey(), text, StringComparison.Ordinal);
        Assert.Equal(2, text.Split(_keys.User.GetPublicKey()).Length - 1);
        Assert.DoesNotContain("password", text, StringComparison.Ordinal);
        foreach (var seed in new[] { _keys.User.GetSeed(), _keys.Issuer.GetSeed(), _keys.Curve.GetSeed() })
            Assert.DoesNotContain(seed, text, StringComparison.Ordinal);
    }
}
