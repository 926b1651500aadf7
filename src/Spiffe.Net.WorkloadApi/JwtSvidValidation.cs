namespace Spiffe.Net.WorkloadApi;

/// <summary>What the Workload API says about a token. Only <see cref="WorkloadApiClient.ValidateJwtSvidAsync"/> makes one.</summary>
// Not a record: those have a copy constructor that anybody may derive through, and `with` would put another ID into a verdict.
public abstract class JwtSvidValidation
{
    private JwtSvidValidation()
    {
    }

    /// <summary>The token is genuine and meant for the audience asked about.</summary>
    public sealed class Valid : JwtSvidValidation
    {
        internal Valid(SpiffeId id, ReadOnlyMemory<byte> claimsJson) => (Id, ClaimsJson) = (id, claimsJson);

        /// <summary>Whose it is; the <c>sub</c> says the same.</summary>
        public SpiffeId Id { get; }

        /// <summary>Claims as a UTF-8 JSON object: <c>sub</c>, <c>aud</c> and <c>exp</c> at least; the endpoint may leave others out.</summary>
        public ReadOnlyMemory<byte> ClaimsJson { get; }
    }

    /// <summary>The token is not to be believed.</summary>
    public sealed class Refused : JwtSvidValidation
    {
        internal Refused(string reason) => Reason = reason;

        /// <summary>In the endpoint's words, cut short; without the token.</summary>
        public string Reason { get; }
    }
}
