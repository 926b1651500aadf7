namespace Identity.Agent.WorkloadAttestation;

/// <summary>What is known about a calling process, or why nothing is.</summary>
internal abstract record PeerAttestation
{
    private PeerAttestation() { }

    /// <param name="Selectors">Facts as <c>unix:key:value</c>.</param>
    public sealed record Attested(IReadOnlySet<string> Selectors) : PeerAttestation;

    public sealed record Refused(string Reason) : PeerAttestation;
}
