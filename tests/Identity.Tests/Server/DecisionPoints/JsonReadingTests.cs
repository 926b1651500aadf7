using System.Text;
using CsCheck;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.AuthZen;
using Identity.Server.DecisionPoints.KubernetesAdmission;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.DecisionPoints.WasmCloudV2;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>What every door reads JSON with.</summary>
public sealed class JsonReadingTests
{
    private static readonly JsonBounds Bounds = new(256, 4);

    [Theory]
    [InlineData("", "empty")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("\"x\"", "not a JSON object")]
    [InlineData("null", "not a JSON object")]
    [InlineData("{", "one way only")]
    [InlineData("{}{}", "one way only")]
    [InlineData("{\"a\":1,\"a\":2}", "one way only")]
    [InlineData("{\"a\":1,\"\\u0061\":2}", "one way only")]
    [InlineData("{\"x\":{\"a\":1,\"a\":2}}", "one way only")]
    [InlineData("{\"a\":\"\\ud800\"}", "one way only")]
    [InlineData("{\"\\ud800\":1}", "one way only")]
    [InlineData("{\"a\":[[[[1]]]]}", "one way only")]
    [InlineData("{\"a\":1,}", "one way only")]
    [InlineData("{/* x */}", "one way only")]
    [InlineData("{\"a\":NaN}", "one way only")]
    public void Refuses_what_two_readers_could_read_differently(string text, string problem)
    {
        Assert.False(JsonReading.TryParse(Encoding.UTF8.GetBytes(text), Bounds, out _, out var found));
        Assert.Contains(problem, found, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_bytes_that_are_not_UTF_8()
    {
        Assert.False(JsonReading.TryParse((byte[])[.. "{\"a\":\""u8, 0xff, .. "\"}"u8], Bounds, out _, out _));
        Assert.False(JsonReading.TryParse((byte[])[.. "{\""u8, 0xc0, 0x80, .. "\":1}"u8], Bounds, out _, out _));
        Assert.False(JsonReading.TryParse((byte[])[0xef, 0xbb, 0xbf, .. "{}"u8], Bounds, out _, out _));
    }

    [Fact]
    public void Refuses_a_text_that_is_too_long_before_it_reads_it()
    {
        Assert.False(JsonReading.TryParse(Encoding.UTF8.GetBytes($"{{\"a\":\"{new string('x', 300)}\"}}"), Bounds, out _, out var problem));
        Assert.Contains("at most 256", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"a\":{}}", "a is not a list")]
    [InlineData("{\"a\":[1]}", "not a text")]
    [InlineData("{\"a\":[\"0123456789abc\"]}", "more than 8 characters")]
    public void Says_which_member_is_wrong_and_repeats_nothing_of_it(string text, string problem)
    {
        Assert.True(JsonReading.TryParse(Encoding.UTF8.GetBytes(text), Bounds, out var document, out _));
        using (document)
        {
            var reading = new JsonReading();
            reading.Texts(document.RootElement, "", "a", 8);
            Assert.Contains(problem, reading.Problem, StringComparison.Ordinal);
            Assert.DoesNotContain("abc", reading.Problem, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void No_bytes_make_any_door_throw() => Gen.Byte.Array[0, 200].Sample(EveryDoor, iter: 2_000);

    [Fact]
    public void No_JSON_text_makes_any_door_throw()
    {
        string[] words =
        [
            "{", "}", "[", "]", ":", ",", "\"request\"", "\"workload\"", "\"kind\"", "\"startComponent\"", "\"host\"", "\"uid\"", "\"subject\"", "\"evaluations\"", "\"properties\"",
            "\"witWorld\"", "\"components\"", "null", "true", "1", "-1", "1e99", "\"\"", "\"v1\"", "\"object\"", "\"spec\"", "\"template\"", "\"workloadId\"", "\"action\"", "\"\\ud800\"",
        ];
        Gen.Int[0, words.Length - 1].Array[0, 40].Sample(picked => EveryDoor(Encoding.UTF8.GetBytes(string.Concat(picked.Select(at => words[at])))), iter: 5_000);
    }

    private static void EveryDoor(byte[] body)
    {
        Assert.True(PolicyRequest.TryParse(body, out _, out _, out var problem) || problem.Length > 0);
        Assert.True(StartRequest.TryParse(body, out _, out _, out problem) || problem.Length > 0);
        Assert.True(AdmissionReview.TryParse(body, out _, out problem) || problem.Length > 0);
        Assert.True(EvaluationRequest.TryParse(body, mayBatch: true, out _, out problem) || problem.Length > 0);
        WorkloadIds.Peek(body);
    }
}
