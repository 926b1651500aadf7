using Identity.Cli;
using Xunit;

namespace Identity.Tests.Cli;

public sealed class CliConfigurationTests : IDisposable
{
    private readonly string home = Directory.CreateTempSubdirectory("identity-cli-").FullName;

    public void Dispose() => Directory.Delete(home, recursive: true);

    [Fact]
    public void Without_anything_the_admin_socket_is_in_the_state_folder_below_home() =>
        Assert.Equal($"{home}/.local/state/identity/server/admin.sock", Load().AdminSocket);

    [Fact]
    public void The_state_folder_is_where_XDG_STATE_HOME_says() =>
        Assert.Equal("/state/identity/server/admin.sock", Load(("XDG_STATE_HOME", "/state")).AdminSocket);

    [Theory]
    [InlineData("")]
    [InlineData("relative/folder")]
    public void An_empty_or_relative_base_directory_counts_as_unset(string value) =>
        Assert.Equal($"{home}/.local/state/identity/server/admin.sock", Load(("XDG_STATE_HOME", value)).AdminSocket);

    [Fact]
    public void The_file_beats_the_default_and_the_environment_beats_the_file()
    {
        Write("""{"adminSocket": "/from/file.sock", "output": "json"}""");
        Assert.Equal("/from/file.sock", Load().AdminSocket);
        Assert.Equal("json", Load().Output);
        Assert.Equal("/from/environment.sock", Load(("IDENTITY_ADMIN_SOCKET", "/from/environment.sock")).AdminSocket);
    }

    [Theory]
    [InlineData("""{"adminsocket": "/x"}""", "unknown key 'adminsocket'")]
    [InlineData("""{"adminSocket": 7}""", "'adminSocket' must be a string")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{", "not a JSON object")]
    public void A_file_that_is_wrong_is_refused_by_name(string content, string problem)
    {
        Write(content);
        var refused = Assert.Throws<UsageException>(() => Load());
        Assert.Contains(problem, refused.Message, StringComparison.Ordinal);
        Assert.Contains("config.json", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_output_nobody_knows_is_refused_where_it_was_written()
    {
        Assert.Contains("IDENTITY_OUTPUT", Assert.Throws<UsageException>(() => Load(("IDENTITY_OUTPUT", "yaml"))).Message, StringComparison.Ordinal);
        Write("""{"output": "xml"}""");
        Assert.Contains("config.json: the output 'xml'", Assert.Throws<UsageException>(() => Load()).Message, StringComparison.Ordinal);
    }

    private void Write(string content)
    {
        Directory.CreateDirectory($"{home}/.config/identity");
        File.WriteAllText($"{home}/.config/identity/config.json", content);
    }

    private CliConfiguration Load(params (string Name, string Value)[] environment) =>
        CliConfiguration.Load(name => name == "HOME" ? home : environment.FirstOrDefault(variable => variable.Name == name).Value);
}
