using System.Text;
using System.Text.Json;
using Identity.Server.DecisionPoints.AuthZen;

namespace Identity.Tests.Server.DecisionPoints.AuthZen;

/// <summary>Bodies of the Authorization API 1.0, and what its certification scenario sends.</summary>
public sealed class EvaluationRequestTests
{
    private const string One = """
        {"subject":{"type":"component","id":"spiffe://example.org/cart","properties":{"image":"ghcr.io/acme/cart:1.2","signers":["acme"],"department":"Sales"}},
         "action":{"name":"connect","properties":{"method":"GET"}},
         "resource":{"type":"capability","id":"api.example.com:443"},
         "context":{"time":"2025-06-27T18:03-07:00"},"futureField":{"nested":true}}
        """;

    private const string Batch = """
        {"subject":{"type":"spiffe","id":"spiffe://example.org/web"},"action":{"name":"connect"},"resource":{"type":"capability"},
         "evaluations":[{"resource":{"id":"a.example.com:443"}},{"action":{"name":"resolve"},"resource":{"type":"capability","id":"a.example.com"}},{"subject":{"type":"component","id":"spiffe://example.org/cart"},"resource":{"id":"b:1"}}]}
        """;

    [Fact]
    public void Reads_an_evaluation_and_passes_over_what_it_does_not_know()
    {
        var evaluation = Assert.Single(Read(One).Evaluations).Evaluation!;
        Assert.Equal(("component", "spiffe://example.org/cart", "ghcr.io/acme/cart:1.2"), (evaluation.Subject.Type, evaluation.Subject.Id, evaluation.Subject.Image));
        Assert.Equal(["acme"], evaluation.Subject.Signers!);
        Assert.Null(evaluation.Subject.Digest);
        Assert.Equal(("connect", "capability", "api.example.com:443"), (evaluation.Action, evaluation.ResourceType, evaluation.ResourceId));
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("null", false)]
    [InlineData("[]", true)]
    public void Signers_that_are_null_are_not_told_and_an_empty_list_says_that_nobody_signed(string? signers, bool told) =>
        Assert.Equal(told, Assert.Single(Read(One.With("subject.properties.signers", signers)).Evaluations).Evaluation!.Subject.Signers is not null);

    [Fact]
    public void Defaults_of_a_batch_are_replaced_whole_but_for_a_missing_type_or_id()
    {
        var evaluations = Read(Batch, mayBatch: true).Evaluations.Select(one => one.Evaluation!).ToList();
        Assert.Equal(("connect", "capability", "a.example.com:443"), (evaluations[0].Action, evaluations[0].ResourceType, evaluations[0].ResourceId));
        Assert.Equal(("resolve", "a.example.com"), (evaluations[1].Action, evaluations[1].ResourceId));
        Assert.Equal(("component", "spiffe://example.org/cart", "connect"), (evaluations[2].Subject.Type, evaluations[2].Subject.Id, evaluations[2].Action));
    }

    [Fact]
    public void Attributes_of_a_default_subject_do_not_leak_into_another_one()
    {
        var text = Batch.With("subject.properties", """{"namespace":"shop"}""");
        var evaluations = Read(text, mayBatch: true).Evaluations;
        Assert.Equal("shop", evaluations[0].Evaluation!.Subject.Namespace);
        Assert.Null(evaluations[2].Evaluation!.Subject.Namespace);
    }

    [Fact]
    public void An_error_in_one_evaluation_is_that_evaluations()
    {
        var evaluations = Read(Batch.With("evaluations[1]", "{}").With("evaluations[2]", """{"subject":"alice"}"""), mayBatch: true).Evaluations;
        Assert.NotNull(evaluations[0].Evaluation);
        Assert.Contains("id is missing", evaluations[1].Problem, StringComparison.Ordinal);
        Assert.Contains("evaluations[2].subject is not an object", evaluations[2].Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData(null)]
    [InlineData("null")]
    public void Without_evaluations_it_is_a_single_one(string? evaluations) =>
        Assert.False(Read(One.With("evaluations", evaluations), mayBatch: true).IsBatch);

    [Fact]
    public void At_the_single_endpoint_evaluations_are_an_unknown_member() =>
        Assert.False(Read(One.With("evaluations", "[{},{}]")).IsBatch);

    [Theory]
    [InlineData(null, EvaluationsSemantic.ExecuteAll)]
    [InlineData("{}", EvaluationsSemantic.ExecuteAll)]
    [InlineData("""{"another_option":"value"}""", EvaluationsSemantic.ExecuteAll)]
    [InlineData("""{"evaluations_semantic":"execute_all"}""", EvaluationsSemantic.ExecuteAll)]
    [InlineData("""{"evaluations_semantic":"deny_on_first_deny"}""", EvaluationsSemantic.DenyOnFirstDeny)]
    [InlineData("""{"evaluations_semantic":"permit_on_first_permit"}""", EvaluationsSemantic.PermitOnFirstPermit)]
    public void Reads_the_semantic(string? options, object semantic) => Assert.Equal(semantic, Read(Batch.With("options", options), mayBatch: true).Semantic);

    [Theory]
    [InlineData("subject", null)]
    [InlineData("action", null)]
    [InlineData("resource", null)]
    [InlineData("subject.type", null)]
    [InlineData("subject.id", null)]
    [InlineData("action.name", null)]
    [InlineData("resource.type", null)]
    [InlineData("resource.id", null)]
    [InlineData("subject", "\"alice\"")]
    [InlineData("action.name", "123")]
    [InlineData("subject.id", "\"\"")]
    [InlineData("subject.properties", "[]")]
    [InlineData("subject.properties.digest", "5")]
    [InlineData("subject.properties.signers", "\"acme\"")]
    [InlineData("context", "\"now\"")]
    [InlineData("resource", "[]")]
    public void Refuses_what_is_missing_or_of_another_type(string path, string? value)
    {
        Assert.False(EvaluationRequest.TryParse(Encoding.UTF8.GetBytes(One.With(path, value)), mayBatch: false, out _, out var problem));
        Assert.Contains(path.Split('.')[^1], problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("options", "3")]
    [InlineData("options", """{"evaluations_semantic":"first"}""")]
    [InlineData("options", """{"evaluations_semantic":1}""")]
    [InlineData("evaluations", "{}")]
    [InlineData("evaluations", "[1]")]
    [InlineData("subject", "3")]
    public void Refuses_a_batch_that_is_malformed_as_a_whole(string path, string value) =>
        Assert.False(EvaluationRequest.TryParse(Encoding.UTF8.GetBytes(Batch.With(path, value)), mayBatch: true, out _, out _));

    [Fact]
    public void Refuses_more_evaluations_than_it_bounds()
    {
        var many = $"[{string.Join(',', Enumerable.Repeat("{}", EvaluationRequest.MaxEvaluations + 1))}]";
        Assert.False(EvaluationRequest.TryParse(Encoding.UTF8.GetBytes(Batch.With("evaluations", many)), mayBatch: true, out _, out _));
    }

    [Fact]
    public void Writes_decisions_with_their_context()
    {
        using var several = JsonDocument.Parse(EvaluationResponse.Several(
            [new(true, "d-a", "permitted", null, 7, ["careful"]), new(false, "d-b", "not granted", "kind: x", 7, []), EvaluationResponse.Wrong("subject is missing")]));
        Assert.Equal(["evaluations"], several.RootElement.EnumerateObject().Select(member => member.Name));
        var list = several.RootElement.GetProperty("evaluations");
        Assert.True(list[0].GetProperty("decision").GetBoolean());
        Assert.Equal("d-a", list[0].GetProperty("context").GetProperty("id").GetString());
        Assert.Equal("7", list[0].GetProperty("context").GetProperty("revision").GetString());
        Assert.Equal("kind: x", list[1].GetProperty("context").GetProperty("smallest_grant").GetString());
        Assert.False(list[2].GetProperty("decision").GetBoolean());
        Assert.Equal(400, list[2].GetProperty("context").GetProperty("error").GetProperty("status").GetInt32());
    }

    [Fact]
    public void The_metadata_names_what_is_served_and_no_search() => Assert.Equal(
        """{"policy_decision_point":"https://pdp.example.org","access_evaluation_endpoint":"https://pdp.example.org/access/v1/evaluation","access_evaluations_endpoint":"https://pdp.example.org/access/v1/evaluations"}""",
        Encoding.UTF8.GetString(PdpMetadata.ToJson("https://pdp.example.org")));

    private static EvaluationRequest Read(string text, bool mayBatch = false)
    {
        Assert.True(EvaluationRequest.TryParse(Encoding.UTF8.GetBytes(text), mayBatch, out var request, out var problem), problem);
        return request;
    }
}
