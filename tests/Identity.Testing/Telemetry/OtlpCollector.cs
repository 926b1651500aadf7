using System.Collections.Concurrent;
using System.Net;
using Google.Protobuf;
using Identity.Testing.Platform;

namespace Identity.Testing.Telemetry;

/// <summary>A span as it came over OTLP, with the service that sent it.</summary>
public sealed record ReceivedSpan(string Service, string Name, string TraceId, string SpanId, string ParentSpanId);

/// <summary>Receives OTLP over HTTP (opentelemetry-proto, collector/*/v1) on loopback and keeps what it got.</summary>
public sealed class OtlpCollector : IAsyncDisposable
{
    private readonly HttpListener listener = new();
    private readonly ConcurrentQueue<(string Path, byte[] Body)> received = new();
    private readonly Task loop;

    public OtlpCollector()
    {
        var port = Ports.Any().Grpc;
        Endpoint = $"http://127.0.0.1:{port}";
        listener.Prefixes.Add($"{Endpoint}/");
        listener.Start();
        loop = ReceiveAsync();
    }

    public string Endpoint { get; }

    /// <summary>Variables with which a process sends everything here, soon.</summary>
    public IEnumerable<(string Name, string Value)> Variables =>
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "200"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
    ];

    /// <summary>Every body received for <paramref name="signal"/> (<c>traces</c>, <c>metrics</c> or <c>logs</c>), as sent.</summary>
    public IEnumerable<byte[]> Bodies(string signal) => received.Where(item => item.Path == $"/v1/{signal}").Select(item => item.Body);

    public IEnumerable<ReceivedSpan> Spans() => Bodies("traces").SelectMany(Read);

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        await loop;
        listener.Close();
    }

    private async Task ReceiveAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                return;
            }
            using var body = new MemoryStream();
            await context.Request.InputStream.CopyToAsync(body);
            received.Enqueue((context.Request.Url!.AbsolutePath, body.ToArray()));
            context.Response.ContentType = "application/x-protobuf";
            context.Response.Close();
        }
    }

    /// <summary>ExportTraceServiceRequest.resource_spans = 1 { resource = 1 { attributes = 1 }, scope_spans = 2 { spans = 2 } }.</summary>
    private static IEnumerable<ReceivedSpan> Read(byte[] request)
    {
        foreach (var resourceSpans in Fields(request, 1))
        {
            var service = Fields(resourceSpans, 1).SelectMany(resource => Fields(resource, 1))
                .Where(attribute => Text(Fields(attribute, 1)) == "service.name")
                .Select(attribute => Text(Fields(Fields(attribute, 2).First(), 1))).FirstOrDefault("");
            foreach (var span in Fields(resourceSpans, 2).SelectMany(scope => Fields(scope, 2)))
                yield return new(service, Text(Fields(span, 5)), Hex(Fields(span, 1)), Hex(Fields(span, 2)), Hex(Fields(span, 4)));
        }
    }

    private static string Text(IEnumerable<byte[]> values) => System.Text.Encoding.UTF8.GetString(values.FirstOrDefault([]));

    private static string Hex(IEnumerable<byte[]> values) => Convert.ToHexStringLower(values.FirstOrDefault([]));

    private static List<byte[]> Fields(byte[] message, int number)
    {
        var values = new List<byte[]>();
        using var input = new CodedInputStream(message);
        while (input.ReadTag() is not 0 and var tag)
        {
            if (WireFormat.GetTagFieldNumber(tag) == number && WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited)
                values.Add(input.ReadBytes().ToByteArray());
            else
                input.SkipLastField();
        }
        return values;
    }
}
