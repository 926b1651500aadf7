using System.Threading.Channels;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Server.ComponentPolicy;

/// <summary>Something that began or was asked while a change soaks.</summary>
internal abstract record StageObservation
{
    private StageObservation() { }

    public sealed record Admission(ReportedAdmission Begun) : StageObservation;

    public sealed record Login(SpiffeId Id) : StageObservation;

    public sealed record Question(Principal Principal, CapabilityRequest Request) : StageObservation;

    public sealed record Token(SpiffeId Id, string Audience) : StageObservation;
}

/// <summary>
/// Carries what happens to whoever tries a staged change on it. Costs one read of a flag while nothing is staged, and never delays the decision it is
/// about.
/// </summary>
internal sealed class StageObservations
{
    // All the admissions of several agents that come back at once.
    private const int MaxWaiting = 65_536;

    private readonly Channel<StageObservation> _channel;
    private volatile bool _isOpen;
    private bool _lost;

    public StageObservations() =>
        _channel = Channel.CreateBounded<StageObservation>(
            new BoundedChannelOptions(MaxWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite }, _ => Lost());

    public ChannelReader<StageObservation> Reader => _channel.Reader;

    /// <summary>Whether anything is staged.</summary>
    public bool IsOpen
    {
        get => _isOpen;
        set => _isOpen = value;
    }

    public void Admitted(ReportedAdmission admission)
    {
        if (_isOpen) _channel.Writer.TryWrite(new StageObservation.Admission(admission));
    }

    public void LoggedIn(SpiffeId id)
    {
        if (_isOpen) _channel.Writer.TryWrite(new StageObservation.Login(id));
    }

    /// <summary>Tokens were signed for somebody.</summary>
    public void GaveTokens(SpiffeId id, IEnumerable<string> audiences)
    {
        if (!_isOpen) return;
        foreach (var audience in audiences) _channel.Writer.TryWrite(new StageObservation.Token(id, audience));
    }

    /// <param name="allowed">What was answered; only a yes can be taken away.</param>
    public void Decided(Principal principal, CapabilityRequest request, bool allowed)
    {
        if (_isOpen && allowed) _channel.Writer.TryWrite(new StageObservation.Question(principal, request));
    }

    /// <summary>Something was taken from here and not tried: it counts as dropped.</summary>
    public void Lost() => Volatile.Write(ref _lost, true);

    /// <summary>Whether something was dropped since the last call.</summary>
    public bool TakeOverflow() => Interlocked.Exchange(ref _lost, false);
}
