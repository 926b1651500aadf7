using System.Threading.Channels;
using Identity.Policy;
using Identity.Server.DecisionPoints.WasmCloudV2;
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

    /// <summary>A door whose caller is proven let a workload through.</summary>
    public sealed record Workload(AllowedWorkload Allowed) : StageObservation;

    /// <summary>An agent that came, or came back, has told all that it runs.</summary>
    public sealed record Told(SpiffeId Agent) : StageObservation;
}

/// <summary>Something that somebody asked at a door that proves nobody, about whomever it likes: perhaps nobody runs that would ask it.</summary>
/// <param name="Door">As metrics spell it.</param>
internal sealed record StageClaim(Principal Principal, CapabilityRequest Request, string Door);

/// <summary>
/// Carries what happens to whoever tries a staged change on it. Costs one read of a flag while nothing is staged, and never delays the decision it is
/// about. What strangers claim waits elsewhere and can be lost: however much they say, it makes no soak begin anew.
/// </summary>
internal sealed class StageObservations
{
    // All the admissions of several agents that come back at once.
    private const int MaxWaiting = 65_536;

    // Few enough to be tried between two looks at the others.
    private const int MaxClaimsWaiting = 256;

    private readonly Channel<StageObservation> _channel;
    private readonly Channel<StageClaim> _claims;
    private volatile bool _isOpen;
    private bool _lost;
    private long _claimsNotTried;

    public StageObservations()
    {
        _channel = Channel.CreateBounded<StageObservation>(
            new BoundedChannelOptions(MaxWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite }, _ => Lost());
        _claims = Channel.CreateBounded<StageClaim>(
            new BoundedChannelOptions(MaxClaimsWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite }, _ => ClaimNotTried());
    }

    public ChannelReader<StageObservation> Reader => _channel.Reader;

    /// <summary>What strangers say is asked.</summary>
    public ChannelReader<StageClaim> Claims => _claims.Reader;

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

    /// <summary>To be called behind <see cref="Admitted"/> for all that it told.</summary>
    public void Told(SpiffeId agent)
    {
        if (_isOpen) _channel.Writer.TryWrite(new StageObservation.Told(agent));
    }

    public void Allowed(AllowedWorkload workload)
    {
        if (_isOpen) _channel.Writer.TryWrite(new StageObservation.Workload(workload));
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

    /// <summary>Somebody who is proven asked.</summary>
    /// <param name="allowed">What was answered; only a yes can be taken away.</param>
    public void Decided(Principal principal, CapabilityRequest request, bool allowed)
    {
        if (_isOpen && allowed) _channel.Writer.TryWrite(new StageObservation.Question(principal, request));
    }

    /// <summary>Somebody asked who proves nothing, and was answered yes.</summary>
    public void Claimed(StageClaim claim)
    {
        if (_isOpen) _claims.Writer.TryWrite(claim);
    }

    /// <summary>One claim more that nobody looks at.</summary>
    public void ClaimNotTried()
    {
        if (_isOpen) Interlocked.Increment(ref _claimsNotTried);
    }

    /// <summary>How many claims were dropped since the last call.</summary>
    public long TakeClaimsNotTried() => Interlocked.Exchange(ref _claimsNotTried, 0);

    /// <summary>Something was taken from here and not tried: it counts as dropped.</summary>
    public void Lost() => Volatile.Write(ref _lost, true);

    /// <summary>Whether something was dropped since the last call.</summary>
    public bool TakeOverflow() => Interlocked.Exchange(ref _lost, false);
}
