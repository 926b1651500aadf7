using System.Reflection;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Issuance;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>SPIFFE-ID §3.3: one identity in each of the three formats. Each proves it to its own verifier, and to no other.</summary>
[Trait(Rule.Trait, "SID-23")]
public sealed class SvidFormatRules
{
    private const string Audience = "spiffe://example.org/service";

    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly WorkloadProofTarget Target = new(Audience);

    private readonly ECDsa _proofKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly IssuedX509Svid _x509;
    private readonly string _jwt;
    private readonly string _wit;
    private readonly string _proof;
    private readonly TrustBundleSet _bundles;

    public SvidFormatRules()
    {
        var root = X509AuthorityFactory.CreateRoot(Issued.Id.TrustDomain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddHours(-1), Now.AddDays(30));
        var x509 = new X509SvidIssuer(root, IssuanceProfile.Default);
        var subject = LocalAuthorityKey.Generate(SigningAlgorithm.Es256).PublicKey;
        _x509 = x509.Issue(Assert.IsType<X509SvidPreparation.Prepared>(x509.Prepare(new X509SvidRequest(Issued.Id, subject), Now)).Draft);

        Assert.True(JwtSigningAuthority.TryCreate(Issued.Id.TrustDomain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddHours(-1), Now.AddDays(1), out var jwtKey, out var problem), problem);
        var jwt = new JwtSvidIssuer(jwtKey, IssuanceProfile.Default);
        _jwt = jwt.Issue(Assert.IsType<JwtSvidPreparation.Prepared>(jwt.Prepare(new JwtSvidRequest(Issued.Id, [Audience]), Now)).Draft).Token;

        Assert.True(WitSigningAuthority.TryCreate(Issued.Id.TrustDomain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddHours(-1), Now.AddDays(1), out var witKey, out problem), problem);
        Assert.True(SubjectPublicKey.TryParse(_proofKey.ExportSubjectPublicKeyInfo(), out var proofKey, out problem), problem);
        Assert.True(ProofKey.TryCreate(proofKey, "ES256", out var confirmed, out problem), problem);
        var wit = new WitSvidIssuer(witKey, IssuanceProfile.Default);
        _wit = wit.Issue(Assert.IsType<WitSvidPreparation.Prepared>(wit.Prepare(new WitSvidRequest(Issued.Id, confirmed), Now)).Draft).Token;
        Assert.True(WitSvid.TryParseUnverified(_wit, out var own, out problem), problem);
        _proof = WorkloadProof.Create(own, _proofKey, Target, Now);

        Assert.True(TrustBundle.TryCreate(Issued.Id.TrustDomain, [root.Root], [jwtKey.Public], [witKey.Public], null, null, out var bundle, out problem), problem);
        _bundles = new TrustBundleSet(bundle);
    }

    [Fact]
    public void Each_of_the_three_formats_proves_the_ID()
    {
        Assert.Equal(Issued.Id, Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(_x509.Chain, _bundles, Now)).Id);
        Assert.Equal(Issued.Id, Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(_jwt, Audience, _bundles, Now)).Id);
        Assert.Equal(Issued.Id, Assert.IsType<WitSvidVerification.Verified>(WitSvidVerifier.Verify(_wit, _proof, Target, _bundles, Now)).Id);
    }

    [Fact]
    public void None_of_them_is_taken_for_another()
    {
        var certificate = _x509.Chain[0];
        AssertRefused("typ is neither JWT nor JOSE", JwtSvidVerifier.Verify(_wit, Audience, _bundles, Now));
        AssertRefused("no usable kid", JwtSvidVerifier.Verify(_proof, Audience, _bundles, Now));
        AssertRefused("not three base64url parts", JwtSvidVerifier.Verify(Convert.ToBase64String(certificate.Span), Audience, _bundles, Now));
        AssertRefused("the token's typ is \"JWT\"", WitSvidVerifier.Verify(_jwt, _proof, Target, _bundles, Now));
        AssertRefused("proof of possession: the token's typ is \"JWT\"", WitSvidVerifier.Verify(_wit, _jwt, Target, _bundles, Now));
        AssertRefused("not well-formed DER", X509SvidVerifier.Verify([System.Text.Encoding.ASCII.GetBytes(_jwt)], _bundles, Now));
    }

    // Every public way from text, bytes, a certificate or a connection to somebody's ID, in both libraries. One more would be a fourth kind of SVID until it is
    // written down here as something else.
    [Fact]
    public void Nothing_else_makes_somebody_of_what_a_stranger_sends() => Assert.Equal(
        [
            // What the endpoint of this process says of tokens that it was given itself, for the audience in the text.
            "JwtSource.GetAsync",
            "JwtSvid.TryParseUnverified",
            "JwtSvidVerifier.Verify",
            // Text that names one of ours.
            "JwtSvids.FindByHint",
            // An ID as text, which proves nothing.
            "SpiffeId.FromSegments",
            "SpiffeId.Parse",
            "SpiffeId.TryParse",
            // TLS with an X509-SVID.
            "SpiffeTls.AcceptAsync",
            "SpiffeTls.ConnectAsync",
            "WitSvid.TryParseUnverified",
            "WitSvidVerifier.Verify",
            "WorkloadApiClient.FetchJwtSvidsAsync",
            // The endpoint's word on a JWT-SVID.
            "WorkloadApiClient.ValidateJwtSvidAsync",
            "X509Context.FindByHint",
            // Our own, with its private key.
            "X509Svid.TryCreate",
            "X509Svid.TryParse",
            "X509SvidVerifier.Verify",
        ],
        new[] { typeof(SpiffeId).Assembly, typeof(X509Source).Assembly }
            .SelectMany(assembly => assembly.GetExportedTypes())
            .SelectMany(type => type.GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly).OfType<MethodBase>())
            .Where(method => method.GetParameters().Any(parameter => Holds(parameter.ParameterType, IsSent)) && GivenBy(method).Any(given => Holds(given, NamesSomebody)))
            .Select(method => $"{method.DeclaringType!.Name}.{method.Name}")
            .Distinct().Order(StringComparer.Ordinal));

    private static IEnumerable<Type> GivenBy(MethodBase method) =>
        method.GetParameters().Where(parameter => parameter.IsOut).Select(parameter => parameter.ParameterType)
            .Append(method is MethodInfo { ReturnType: var returned } ? returned : method.DeclaringType!);

    private static bool IsSent(Type type) => type == typeof(string) || type == typeof(byte) || type == typeof(char) || type == typeof(Stream) || type == typeof(X509Certificate2);

    // A trust domain is nobody; its ID proves nothing of anybody.
    private static bool NamesSomebody(Type type) => type != typeof(TrustDomain)
        && (type == typeof(SpiffeId) || type.GetNestedTypes().Append(type).Any(part => part.GetProperties().Any(property => property.PropertyType == typeof(SpiffeId))));

    private static bool Holds(Type type, Func<Type, bool> wanted) =>
        wanted(type) || (type.HasElementType && Holds(type.GetElementType()!, wanted))
        || type.GetGenericArguments().Any(argument => !argument.IsGenericParameter && Holds(argument, wanted))
        || type.GetInterfaces().Any(part => part.IsGenericType && part.GetGenericTypeDefinition() == typeof(IEnumerable<>) && part.GenericTypeArguments[0] != type && wanted(part.GenericTypeArguments[0]));

    private static void AssertRefused(string reason, object verification) => Assert.Contains(
        reason,
        verification switch
        {
            X509SvidVerification.Refused x509 => x509.Reason,
            JwtSvidVerification.Refused jwt => jwt.Reason,
            WitSvidVerification.Refused wit => wit.Reason,
            _ => $"{verification}, which is no refusal",
        },
        StringComparison.Ordinal);
}
