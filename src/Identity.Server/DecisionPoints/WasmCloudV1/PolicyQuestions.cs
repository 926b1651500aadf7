using System.Diagnostics.CodeAnalysis;
using Identity.Policy;
using Identity.Server.Registration;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>What a v1 host's request asks, in the words of policy.</summary>
internal static class PolicyQuestions
{
    /// <param name="trustDomain">Below which the lattice's components and providers are named.</param>
    /// <param name="problem">Why it is denied without asking policy.</param>
    public static bool TryMap(
        PolicyRequest request, TrustDomain trustDomain, [NotNullWhen(true)] out Question? question, [NotNullWhen(false)] out string? problem)
    {
        question = null;
        if (request.Kind == PolicyRequestKind.Unknown)
        {
            problem = "the kind of request is not one that is known here; expected startComponent, startProvider or performInvocation";
            return false;
        }

        if (!TryName(request, trustDomain, out var id, out problem)) return false;
        if (request.Kind != PolicyRequestKind.PerformInvocation)
        {
            question = new Question(PrincipalOf(id, request), [new CapabilityRequest.Start()]);
            return true;
        }

        if (!TryReadExport(request, out var asked, out problem)) return false;
        question = new Question(PrincipalOf(id, request), [asked]);
        return true;
    }

    private static bool TryName(
        PolicyRequest request, TrustDomain trustDomain, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? problem) =>
        request.Kind == PolicyRequestKind.StartProvider
            ? WasmCloudIdentity.TryOfLatticeProvider(trustDomain, request.Lattice, request.Id, out id, out problem)
            : WasmCloudIdentity.TryOfLatticeComponent(trustDomain, request.Lattice, request.Id, out id, out problem);

    // What a host calls on a component is what that component exports. A whole interface is never meant: there is always a function.
    private static bool TryReadExport(
        PolicyRequest request, [NotNullWhen(true)] out CapabilityRequest? asked, [NotNullWhen(false)] out string? problem)
    {
        if (CapabilityRequest.TryParse("export", $"{request.Interface}#{request.Function}", out asked, out problem)) return true;
        problem = $"{Quote.From(request.Interface)} and {Quote.From(request.Function)} are not the interface and the function of an export: {problem}";
        return false;
    }

    // The issuer in the claims is what the component's own token says, and the host does not say whether it has checked it; the host's key
    // is no SVID. A reference that is no image (a file, a builtin) could be any image under another name, as far as a forbid is concerned.
    private static Principal PrincipalOf(SpiffeId id, PolicyRequest request)
    {
        var isImage = ImageReference.TryParse(request.ImageReference, out var image, out _);
        return new Principal
        {
            Id = id,
            Image = image,
            Lattice = request.Lattice,
            Unknown = PrincipalAttributes.Digest | PrincipalAttributes.Signer | PrincipalAttributes.Host | (isImage ? PrincipalAttributes.None : PrincipalAttributes.Image),
        };
    }
}
