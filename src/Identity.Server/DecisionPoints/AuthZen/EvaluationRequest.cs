using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Identity.Server.DecisionPoints.AuthZen;

/// <summary>How the evaluations of one request hang together (Authorization API 1.0, "Evaluations semantics").</summary>
internal enum EvaluationsSemantic
{
    ExecuteAll = 0,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// <summary>One question of the Authorization API: may the subject do the action on the resource?</summary>
internal sealed record Evaluation(EvaluationSubject Subject, string Action, string ResourceType, string ResourceId);

/// <summary>A subject, with the attributes of it that policy can speak of; those not given are null.</summary>
internal sealed record EvaluationSubject(string Type, string Id)
{
    public string? Digest { get; init; }

    /// <summary>Null when not given, or JSON null; empty says that nobody signed it.</summary>
    public IReadOnlyList<string>? Signers { get; init; }

    public string? Image { get; init; }

    public string? Host { get; init; }

    public string? Namespace { get; init; }

    public string? Lattice { get; init; }
}

/// <summary>An evaluation, or what is wrong with it.</summary>
internal readonly record struct EvaluationOrProblem(Evaluation? Evaluation, string? Problem);

/// <summary>
/// The body of <c>/access/v1/evaluation</c> and <c>/access/v1/evaluations</c>. Members that are not known are passed over, as the
/// specification asks ("JSON Serialization"); a required one that is missing, or one of the wrong type, is an error of the whole request,
/// except inside <c>evaluations</c>, where it is an error of that evaluation.
/// </summary>
internal sealed record EvaluationRequest(IReadOnlyList<EvaluationOrProblem> Evaluations, bool IsBatch, EvaluationsSemantic Semantic)
{
    public static readonly JsonBounds Bounds = new(256 * 1024, 16);

    /// <summary>Evaluations in one request.</summary>
    public const int MaxEvaluations = 256;

    private const int MaxText = 2048;

    /// <param name="mayBatch">Whether <c>evaluations</c> is looked at; at <c>/evaluation</c> it is an unknown member.</param>
    public static bool TryParse(
        ReadOnlyMemory<byte> body, bool mayBatch, [NotNullWhen(true)] out EvaluationRequest? request, [NotNullWhen(false)] out string? problem)
    {
        request = null;
        if (!JsonReading.TryParse(body, Bounds, out var document, out problem)) return false;
        using (document)
        {
            var reading = new JsonReading();
            var root = document.RootElement;
            var defaults = Defaults.Read(reading, root);
            var several = mayBatch && root.TryGetProperty("evaluations", out var list) && list.ValueKind is not JsonValueKind.Null
                ? reading.Objects(root, "", "evaluations")
                : [];
            if (several.Count > MaxEvaluations) reading.Fail($"evaluations has {several.Count} elements; at most {MaxEvaluations} are read");
            var semantic = mayBatch ? ReadSemantic(reading, root) : EvaluationsSemantic.ExecuteAll;
            problem = reading.Problem;
            if (problem is not null) return false;

            if (several.Count == 0)
            {
                // An empty list, or none: the same as a single evaluation.
                var single = Evaluate(defaults, default, "");
                problem = single.Problem;
                request = problem is null ? new EvaluationRequest([single], IsBatch: false, semantic) : null;
                return problem is null;
            }

            request = new EvaluationRequest([.. several.Select((element, at) => Evaluate(defaults, element, $"evaluations[{at}]"))], IsBatch: true, semantic);
            return true;
        }
    }

    private static EvaluationsSemantic ReadSemantic(JsonReading reading, JsonElement root)
    {
        var semantic = reading.Text(reading.Object(root, "", "options"), "options", "evaluations_semantic", 64);
        switch (semantic)
        {
            case null or "execute_all":
                return EvaluationsSemantic.ExecuteAll;
            case "deny_on_first_deny":
                return EvaluationsSemantic.DenyOnFirstDeny;
            case "permit_on_first_permit":
                return EvaluationsSemantic.PermitOnFirstPermit;
            default:
                reading.Fail("options.evaluations_semantic is not execute_all, deny_on_first_deny or permit_on_first_permit");
                return EvaluationsSemantic.ExecuteAll;
        }
    }

    private static EvaluationOrProblem Evaluate(Defaults defaults, JsonElement element, string path)
    {
        var reading = new JsonReading();
        var own = element.ValueKind is JsonValueKind.Object ? Defaults.Read(reading, element, path) : default;
        var evaluation = reading.Problem is null ? own.Over(defaults).Complete(reading, path) : null;
        return reading.Problem is null ? new(evaluation, null) : new(null, reading.Problem);
    }

    // The top level of a batch, or one evaluation in it: each may lack what the other has. An entity is replaced whole, but for a type or an
    // id that the inner one leaves out.
    private readonly record struct Defaults(JsonElement? Subject, JsonElement? Action, JsonElement? Resource)
    {
        public JsonElement? OuterSubject { get; private init; }

        public JsonElement? OuterResource { get; private init; }

        public static Defaults Read(JsonReading reading, JsonElement element, string path = "")
        {
            reading.Object(element, path, "context");
            return new(reading.Object(element, path, "subject"), reading.Object(element, path, "action"), reading.Object(element, path, "resource"));
        }

        public Defaults Over(Defaults outer) => new(Subject ?? outer.Subject, Action ?? outer.Action, Resource ?? outer.Resource)
        {
            OuterSubject = outer.Subject,
            OuterResource = outer.Resource,
        };

        public Evaluation? Complete(JsonReading reading, string path)
        {
            var (subject, action, resource) = (Path(path, "subject"), Path(path, "action"), Path(path, "resource"));
            if (Subject is null) reading.Fail($"{subject} is missing");
            if (Action is null) reading.Fail($"{action} is missing");
            if (Resource is null) reading.Fail($"{resource} is missing");
            var properties = reading.Object(Subject, subject, "properties");
            var inner = $"{subject}.properties";
            return reading.Problem is not null ? null : new Evaluation(
                new EvaluationSubject(Required(reading, Subject, OuterSubject, subject, "type"), Required(reading, Subject, OuterSubject, subject, "id"))
                {
                    Digest = reading.Text(properties, inner, "digest", 128),
                    Signers = properties?.TryGetProperty("signers", out var signers) == true && signers.ValueKind is not JsonValueKind.Null ? reading.Texts(properties, inner, "signers", MaxText) : null,
                    Image = reading.Text(properties, inner, "image", MaxText),
                    Host = reading.Text(properties, inner, "host", MaxText),
                    Namespace = reading.Text(properties, inner, "namespace", 253),
                    Lattice = reading.Text(properties, inner, "lattice", 253),
                },
                reading.Text(Action, action, "name", 128, required: true) ?? "",
                Required(reading, Resource, OuterResource, resource, "type"),
                Required(reading, Resource, OuterResource, resource, "id"));
        }

        private static string Required(JsonReading reading, JsonElement? inner, JsonElement? outer, string path, string name)
        {
            var has = inner is { ValueKind: JsonValueKind.Object } element && element.TryGetProperty(name, out var value) && value.ValueKind is not JsonValueKind.Null;
            return reading.Text(has ? inner : outer ?? inner, path, name, MaxText, required: true) ?? "";
        }

        private static string Path(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
    }
}
