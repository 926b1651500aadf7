using System.Diagnostics.CodeAnalysis;
using Identity.Policy;
using Identity.Server.Registration;

namespace Identity.Server.DecisionPoints.AuthZen;

/// <summary>
/// An evaluation in the words of policy: the action names the kind of capability, the resource is of type <c>capability</c> and its id the
/// value. The subject is a <c>component</c>, or with type <c>spiffe</c> a process, which has no digest, signer, image or host but those that are told.
/// </summary>
internal static class EvaluationQuestion
{
    private const string ResourceType = "capability";

    private const PrincipalAttributes OfComponents =
        PrincipalAttributes.Digest | PrincipalAttributes.Signer | PrincipalAttributes.Image | PrincipalAttributes.Host;

    // They stand for themselves; whatever names them is the resource's id.
    private static readonly string[] WithoutValue = ["start", "natsRespond"];

    public static bool TryMap(Evaluation evaluation, [NotNullWhen(true)] out Question? question, [NotNullWhen(false)] out string? problem)
    {
        question = null;
        if (evaluation.ResourceType != ResourceType)
        {
            problem = $"resources of type {Quote.From(evaluation.ResourceType)} are not known here; expected {ResourceType}, whose id is the value, as in api.example.com:443";
            return false;
        }

        if (evaluation.Subject.Type is not ("spiffe" or "component"))
        {
            problem = $"subjects of type {Quote.From(evaluation.Subject.Type)} are not known here; expected component or spiffe, whose id is a SPIFFE ID";
            return false;
        }

        var told = new PrincipalTold(evaluation.Subject.Id)
        {
            Digest = evaluation.Subject.Digest,
            Signers = evaluation.Subject.Signers,
            Image = evaluation.Subject.Image,
            Host = evaluation.Subject.Host,
            Namespace = evaluation.Subject.Namespace,
            Lattice = evaluation.Subject.Lattice,
        };
        if (evaluation.Subject.Type == "spiffe") told = told with { KnownAbsent = OfComponents & ~told.Attributes };
        var value = WithoutValue.Contains(evaluation.Action) ? "" : evaluation.ResourceId;
        if (!told.TryRead(out var principal, out problem) || !CapabilityRequest.TryParse(evaluation.Action, value, out var request, out problem)) return false;
        question = new Question(principal, [request]);
        return true;
    }
}
