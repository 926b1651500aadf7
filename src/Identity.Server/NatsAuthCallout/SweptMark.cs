using System.Buffers.Text;
using System.Globalization;
using Identity.Server.Ledger;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// Up to which revision every change was acted upon on nats-server, kept over a restart. A process that dies between a change and the end of
/// the sessions that rested on it leaves an older number, and the next one knows.
/// </summary>
internal sealed class SweptMark(string folder)
{
    private readonly string _file = Path.Combine(folder, "nats-swept");
    private ulong? _written;

    /// <summary>0 when there is none, or none that can be read: then everything counts as not acted upon.</summary>
    public ulong Read()
    {
        if (_written is { } known) return known;
        try
        {
            return ulong.TryParse(File.ReadAllText(_file), NumberStyles.None, CultureInfo.InvariantCulture, out var revision) ? revision : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>Durable when it returns. A disk that refuses leaves the older number, which is the safe side.</summary>
    public void Write(ulong revision)
    {
        if (_written == revision) return;
        Span<byte> text = stackalloc byte[20];
        Utf8Formatter.TryFormat(revision, text, out var length);
        try
        {
            DurableFile.Write(_file, text[..length]);
            _written = revision;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nothing is lost by it but the knowledge that nothing is left to do.
        }
    }
}
