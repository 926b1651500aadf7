using System.Diagnostics;
using System.Net.Sockets;
using Identity.Agent.WorkloadAttestation;

namespace Identity.Tests.Agent;

/// <summary>Processes that connect to a socket, and what is found out about them.</summary>
public abstract class WorkloadAttestorTest : IDisposable
{
    private protected PeerProcesses Processes { get; } = new();

    private protected ExecutableHashes Hashes { get; } = new(TimeProvider.System);

    private protected NamedFiles Files { get; } = new(TimeProvider.System);

    private protected WorkloadAttestor Attestor => new(new AccountNames(), new SystemdUnits(), Files, Hashes);

    /// <summary>What is found out about a process that this command becomes, which must connect to the socket it is given.</summary>
    private protected async Task<IReadOnlySet<string>> AttestAsync(Func<string, string[]> command)
    {
        var path = Path.Combine(RunningAgent.NewFolder(), "p.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        using var process = Start(command(path));
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            deadline.CancelAfter(TimeSpan.FromSeconds(60));
            using var accepted = await listener.AcceptAsync(deadline.Token);
            using var peer = Processes.TryConnect(accepted);
            Assert.Equal(process.Id, peer!.Pid);
            return Assert.IsType<PeerAttestation.Attested>(await Attestor.AttestAsync(peer.Process, withHash: true)).Selectors;
        }
        finally
        {
            process.Kill();
        }
    }

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        Processes.Dispose();
        Hashes.Dispose();
    }

#pragma warning disable CA1416 // These tests run where the agent does, on Linux.
    private protected static void OpenToAll(string path) => File.SetUnixFileMode(path, Identity.Agent.Endpoints.UnixListener.Everyone);
#pragma warning restore CA1416

    private protected static string OpenFolder()
    {
        var folder = RunningAgent.NewFolder();
        OpenToAll(folder);
        return folder;
    }

    private protected static (Socket Listener, string Path) Listen()
    {
        var path = Path.Combine(RunningAgent.NewFolder(), "p.sock");
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        return (listener, path);
    }

    private protected sealed class Disposables(params IDisposable[] all) : IDisposable
    {
        public void Dispose()
        {
            foreach (var one in all) one.Dispose();
        }
    }

    private protected static Process Start(string[] command) => Process.Start(new ProcessStartInfo(command[0], command[1..])
    {
        RedirectStandardInput = true,
        RedirectStandardError = true,
    })!;

    // Perl is part of every Debian.
    private protected static string[] ConnectAndWait(string path) => ["-MIO::Socket::UNIX", "-e", $"$s=IO::Socket::UNIX->new(Peer=>'{path}') or die; <STDIN>"];

    private protected static string CopyOfPerl()
    {
        var program = Path.Combine(RunningAgent.NewFolder(), "program");
        File.Copy("/usr/bin/perl", program);
        return program;
    }

    private protected static async Task<(Socket Accepted, Socket Client)> ConnectAsync()
    {
        var endpoint = new UnixDomainSocketEndPoint(Path.Combine(RunningAgent.NewFolder(), "p.sock"));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(endpoint);
        listener.Listen();
        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(endpoint, TestContext.Current.CancellationToken);
        return (await listener.AcceptAsync(TestContext.Current.CancellationToken), client);
    }
}
