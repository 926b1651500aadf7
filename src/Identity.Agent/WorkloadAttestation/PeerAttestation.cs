namespace Identity.Agent.WorkloadAttestation;

/// <summary>What is known about a calling process, or why nothing is.</summary>
internal abstract record PeerAttestation
{
    private PeerAttestation() { }

    /// <param name="Selectors">Facts as <c>type:key:value</c>.</param>
    /// <param name="WithoutPath">Why there is no <c>unix:path</c> among them, for whoever wonders; null where there is one.</param>
    public sealed record Attested(IReadOnlySet<string> Selectors, string? WithoutPath = null) : PeerAttestation
    {
        /// <summary>True when the hash of the executable was asked for and is not known yet: asking again may find one more selector.</summary>
        public bool IsHashPending { get; init; }

        /// <summary>
        /// The selectors as one short word, for those who keep answers by them: a stranger may be in a thousand groups, of its own choice. No selector holds a NUL: paths
        /// and names cannot.
        /// </summary>
        public string Key { get; } = Convert.ToBase64String(
            System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(string.Join('\0', Selectors.Order(StringComparer.Ordinal)))));
    }

    public sealed record Refused(string Reason) : PeerAttestation;
}
