using System.Globalization;
using Identity.Testing.Platform;
using Xunit;

namespace Identity.EndToEnd.Tests;

/// <summary>Nobody comes up twice in one folder, whatever the ports; and whoever is there is named, with how to end them.</summary>
public sealed class DevFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("identity-up-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("up")]
    [InlineData("check")]
    [InlineData("down")]
    public async Task A_folder_in_which_something_is_up_is_left_alone(string verb)
    {
        // As a process holds it that is up in the foreground.
        using (new FileStream(Path.Combine(_folder, "lock"), FileMode.Create, FileAccess.ReadWrite, FileShare.None))
        {
            await File.WriteAllTextAsync(Path.Combine(_folder, "holder"), "4711", TestContext.Current.CancellationToken);
            var (code, output, error) = await RunAsync(verb);
            Assert.Equal(1, code);
            Assert.Contains($"process 4711 is up in {_folder} already", output + error, StringComparison.Ordinal);
            Assert.Contains("Ctrl-C where it runs, or kill 4711", output + error, StringComparison.Ordinal);
        }

        Assert.Equal((0, ""), await CheckAsync());
    }

    [Fact]
    public async Task Who_comes_up_second_is_told_who_was_first_and_the_folder_is_free_again_when_that_ended()
    {
        await using (var first = ManagedProcess.Start("identity-dev", Path.Combine(_folder, "first"), Program, Arguments("up"), Environment))
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            deadline.CancelAfter(TimeSpan.FromSeconds(60));
            while (!File.Exists(Path.Combine(_folder, "holder"))) await Task.Delay(20, deadline.Token);

            var (code, _, error) = await RunAsync("up");

            Assert.Equal(1, code);
            Assert.Contains($"process {first.Id.ToString(CultureInfo.InvariantCulture)} is up in {_folder} already", error, StringComparison.Ordinal);
        }

        Assert.Equal((0, ""), await CheckAsync());
    }

    private static string Program => Repository.Program("Identity.Dev", "identity-dev");

    // A nats-server that never answers: what matters is who has the folder meanwhile.
    private Dictionary<string, string?> Environment
    {
        get
        {
            var silent = Path.Combine(_folder, "nats-server");
            if (!File.Exists(silent))
            {
                File.WriteAllText(silent, "#!/bin/sh\nexec sleep 600\n");
                File.SetUnixFileMode(silent, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            return new() { ["NATS_SERVER"] = silent };
        }
    }

    private string[] Arguments(string verb) => [verb, "--any-port", "--folder", _folder];

    private async Task<(int Code, string Error)> CheckAsync()
    {
        var (code, _, error) = await RunAsync("check");
        return (code, error);
    }

    private Task<(int Code, string Output, string Error)> RunAsync(string verb) =>
        LocalPlatform.RunAsync(Program, Arguments(verb), Environment, TestContext.Current.CancellationToken);
}
