using System.Diagnostics;

namespace Identity.Tests.Agent;

/// <summary>
/// A process that connects to a Unix socket and passes bytes on between it and the test, so that the agent sees that process and not this one. Perl is part of
/// every Debian.
/// </summary>
internal sealed class RelayProcess : IDisposable
{
    // %s is the descriptor that is connected. Whatever happens at either end, both end.
    private const string Passing = """
        binmode STDIN; binmode STDOUT; $| = 1;
        sub pass { my ($from, $to) = @_; my $n = sysread($from, my $bytes, 65536) or exit; my $at = 0; $at += (syswrite($to, $bytes, $n - $at, $at) or exit) while $at < $n; }
        sub relay { my ($s) = @_; while (1) { my $r = ''; vec($r, 0, 1) = vec($r, fileno($s), 1) = 1; select($r, undef, undef, undef); pass(*STDIN, $s) if vec($r, 0, 1); pass($s, *STDOUT) if vec($r, fileno($s), 1); } }
        """;

    private readonly Process _process;

    private RelayProcess(Process process)
    {
        _process = process;
        Stream = new Pipes(process.StandardOutput.BaseStream, process.StandardInput.BaseStream);
    }

    public int Id => _process.Id;

    public Stream Stream { get; }

    /// <summary>Connects and relays in one process.</summary>
    public static RelayProcess Start(string socket, params string[] prefix) => Start([.. prefix, "perl"], Connect(socket) + "relay($s);");

    /// <summary>Connects, and leaves the connection to a child; itself it waits to be ended.</summary>
    public static RelayProcess StartWithChild(string socket) => Start(["perl"], Connect(socket) + "if (fork) { close STDIN; close STDOUT; sleep 3600 } relay($s);");

    /// <summary>Connects, and when told so by the first byte becomes another program, which goes on with the connection.</summary>
    public static RelayProcess StartAndBecome(string socket, string program) => Start(
        ["perl"],
        "$^F = 100; " + Connect(socket) + "my $go; sysread(STDIN, $go, 1); exec '" + program + "', '-e', '" + Passing.Replace("'", "\\'", StringComparison.Ordinal)
        + " open(my $s, \"+<&=\", ' . fileno($s) . '); relay($s);';");

    public void End()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private static string Connect(string socket) => $"use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => '{socket}') or die; ";

    private static RelayProcess Start(string[] perl, string script) => new(Process.Start(new ProcessStartInfo(perl[0], [.. perl[1..], "-e", Passing + script])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
    })!);

    private sealed class Pipes(Stream read, Stream write) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => read.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => read.ReadAsync(buffer, cancellationToken);

        public override void Write(byte[] buffer, int offset, int count) => write.Write(buffer, offset, count);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await write.WriteAsync(buffer, cancellationToken);
            await write.FlushAsync(cancellationToken);
        }

        public override void Flush() => write.Flush();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                read.Dispose();
                write.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
