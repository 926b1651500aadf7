namespace Spiffe.Net.WorkloadApi;

/// <summary>What the Workload API says about a token.</summary>
public abstract record JwtSvidValidation
{
    private JwtSvidValidation()
    {
    }

    /// <summary>The token is genuine and meant for the audience asked about.</summary>
    /// <param name="Id">Whose it is.</param>
    /// <param name="ClaimsJson">Claims as a UTF-8 JSON object: <c>sub</c>, <c>aud</c> and <c>exp</c> at least; the endpoint may leave others out.</param>
    public sealed record Valid(SpiffeId Id, ReadOnlyMemory<byte> ClaimsJson) : JwtSvidValidation;

    /// <summary>The token is not to be believed.</summary>
    /// <param name="Reason">In the endpoint's words, cut short; without the token.</param>
    public sealed record Refused(string Reason) : JwtSvidValidation;
}
