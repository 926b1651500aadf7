using Microsoft.AspNetCore.Authentication;

namespace Spiffe.Net.WorkloadApi;

/// <summary>How JWT-SVIDs in requests are verified.</summary>
public sealed class JwtSvidAuthenticationOptions : AuthenticationSchemeOptions
{
    /// <summary>Our own name; a token that is not meant for it is refused. Required.</summary>
    public string Audience { get; set; } = "";

    /// <summary>Gives the newest JWT bundles, for example <c>() => bundles.Jwt</c> of a <see cref="BundleSource"/>. Called with each request. Required.</summary>
    public Func<TrustBundleSet>? Bundles { get; set; }

    /// <summary>How far our clock and the issuer's may differ. Default 10 s, at most 60 s.</summary>
    public TimeSpan Leeway { get; set; } = JwtSvidVerifier.DefaultLeeway;

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        if (string.IsNullOrEmpty(Audience)) throw new InvalidOperationException($"{nameof(Audience)} is not set: without it, tokens meant for others would be let in.");
        if (Bundles is null) throw new InvalidOperationException($"{nameof(Bundles)} is not set: it says whom to trust.");
        if (Leeway < TimeSpan.Zero || Leeway > JwtSvidVerifier.MaxLeeway)
            throw new InvalidOperationException($"{nameof(Leeway)} is {Leeway}; expected zero to {JwtSvidVerifier.MaxLeeway}.");
    }
}
