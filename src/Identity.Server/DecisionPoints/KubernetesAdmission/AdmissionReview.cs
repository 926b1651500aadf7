using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Server.Registration;

namespace Identity.Server.DecisionPoints.KubernetesAdmission;

/// <summary>What an API server asks about one write: <c>admission.k8s.io/v1</c>, as far as it matters here.</summary>
internal sealed record AdmissionReview
{
    /// <summary>etcd takes objects up to 1.5 MiB, and an update sends the old one as well.</summary>
    public static readonly JsonBounds Bounds = new(8 << 20, 32);

    private const int MaxName = 253;

    /// <summary>Given back in the answer, byte for byte.</summary>
    public required string Uid { get; init; }

    /// <summary>The tenant: where the API server will store the object, whatever the object says.</summary>
    public required string Namespace { get; init; }

    /// <summary>Such as <c>WorkloadDeployment shop/cart</c>; for messages.</summary>
    public required string Object { get; init; }

    /// <summary>Nothing is stored afterwards, and so nothing may be written on this side either.</summary>
    public bool IsDryRun { get; init; }

    /// <summary>What the API server calls it, among all that there are at one time.</summary>
    public required string Id { get; init; }

    /// <summary>Namespace and name, for messages about it later.</summary>
    public required string Name { get; init; }

    /// <summary>Whether nothing of it is meant to run: it is being deleted, or scaled to nothing.</summary>
    public bool IsLeaving { get; init; }

    public required AdmissionQuestion Question { get; init; }

    /// <summary>Reads a body. Members of the review that are not known are passed over, as its API promises; those of the object are not.</summary>
    /// <param name="problem">Why it is no review that could be answered. What is wrong with the object inside is a question that is denied.</param>
    public static bool TryParse(
        ReadOnlyMemory<byte> body, [NotNullWhen(true)] out AdmissionReview? review, [NotNullWhen(false)] out string? problem)
    {
        review = null;
        if (!JsonReading.TryParse(body, Bounds, out var document, out problem)) return false;
        using (document)
        {
            var reading = new JsonReading();
            var root = document.RootElement;
            if (reading.Text(root, "", "apiVersion", 64, required: true) is { } version && version != "admission.k8s.io/v1") reading.Fail("apiVersion is not admission.k8s.io/v1");
            if (reading.Text(root, "", "kind", 64, required: true) is { } type && type != "AdmissionReview") reading.Fail("kind is not AdmissionReview");
            var request = reading.Object(root, "", "request", required: true);
            var uid = reading.Text(request, "request", "uid", 128, required: true) ?? "";
            if (uid.AsSpan().ContainsAnyExceptInRange('!', '~')) reading.Fail("request.uid has characters that are not printable ASCII");
            var kind = reading.Object(request, "request", "kind", required: true);
            var group = reading.Text(kind, "request.kind", "group", MaxName) ?? "";
            var kindVersion = reading.Text(kind, "request.kind", "version", 64, required: true) ?? "";
            var kindName = reading.Text(kind, "request.kind", "kind", 128, required: true) ?? "";
            var subResource = reading.Text(request, "request", "subResource", 128) ?? "";
            var operation = reading.Text(request, "request", "operation", 32, required: true) ?? "";
            var name = reading.Text(request, "request", "name", MaxName) ?? "";
            var ns = reading.Text(request, "request", "namespace", MaxName) ?? "";
            var dryRun = reading.Bool(request, "request", "dryRun");
            // Where the API server makes the name up, or deletes many at once, only the object has it.
            if (name.Length == 0) name = NameIn(request, operation == "DELETE" ? "oldObject" : "object");
            problem = reading.Problem;
            if (problem is not null) return false;

            review = new AdmissionReview
            {
                Uid = uid,
                Namespace = ns,
                Object = $"{Shown(kindName)} {Shown(ns)}/{(name.Length > 0 ? Shown(name) : "(to be named)")}",
                IsDryRun = dryRun,
                Id = $"{ns}/{kindName}/{name}",
                Name = WorkloadText.Of(ns, name),
                IsLeaving = IsOver(request),
                Question = operation switch
                {
                    // What deletes takes authority away, and must not be held up.
                    "DELETE" when group == WorkloadManifest.Group && subResource.Length == 0 => new AdmissionQuestion.Ends(),
                    "DELETE" => new AdmissionQuestion.NothingNew(null),
                    "CREATE" or "UPDATE" when group != WorkloadManifest.Group || kindVersion != WorkloadManifest.Version || subResource.Length > 0 =>
                        new AdmissionQuestion.Unanswerable(
                            $"{Quote.From($"{group}/{kindVersion} {kindName}{(subResource.Length > 0 ? "/" + subResource : "")}")} is not a kind this webhook can judge; "
                            + $"it knows Workload, WorkloadReplicaSet and WorkloadDeployment of {WorkloadManifest.Group}/{WorkloadManifest.Version}"),
                    "CREATE" or "UPDATE" => WorkloadManifest.Read(kindName, ns, name, request!.Value, operation == "UPDATE"),
                    _ => new AdmissionQuestion.Unanswerable($"the operation {Quote.From(operation)} is not one this webhook can judge"),
                },
            };
            return true;
        }
    }

    private static bool IsOver(JsonElement? request)
    {
        var reading = new JsonReading();
        var written = reading.Object(request, "request", "object");
        return reading.Text(reading.Object(written, "object", "metadata"), "metadata", "deletionTimestamp", 64) is { Length: > 0 }
            || reading.Number(reading.Object(written, "object", "spec"), "spec", "replicas") == 0;
    }

    private static string NameIn(JsonElement? request, string member)
    {
        var reading = new JsonReading();
        return reading.Text(reading.Object(reading.Object(request, "request", member), member, "metadata"), "metadata", "name", MaxName) ?? "";
    }

    private static string Shown(string text) => text.Length > 0 && text.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '.') ? text : Quote.From(text);
}

/// <summary>What there is to decide about a write.</summary>
internal abstract record AdmissionQuestion
{
    private AdmissionQuestion() { }

    /// <summary>May this workload have what it asks for?</summary>
    public sealed record Workload(WorkloadNeeds Needs) : AdmissionQuestion;

    /// <summary>It asks for nothing that is not there already, so it is let through undecided.</summary>
    /// <param name="Needs">What that is; null when it cannot be told.</param>
    public sealed record NothingNew(WorkloadNeeds? Needs) : AdmissionQuestion;

    /// <summary>It is deleted, and let through undecided.</summary>
    public sealed record Ends : AdmissionQuestion;

    /// <summary>It cannot be understood whole, so it is denied.</summary>
    public sealed record Unanswerable(string Problem) : AdmissionQuestion;
}
