using System.Buffers;
using Microsoft.AspNetCore.Http.Features;

namespace Identity.Server.DecisionPoints;

/// <summary>The body of an HTTP request, whole, as far as a bound.</summary>
internal static class BoundedBody
{
    /// <returns>Null when it is longer.</returns>
    public static async Task<byte[]?> ReadAsync(HttpContext call, int maxBytes)
    {
        if (call.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } bound) bound.MaxRequestBodySize = maxBytes;
        if (call.Request.ContentLength > maxBytes) return null;
        while (true)
        {
            var read = await call.Request.BodyReader.ReadAsync(call.RequestAborted);
            if (read.Buffer.Length > maxBytes) return null;
            if (read.IsCompleted)
            {
                var body = read.Buffer.ToArray();
                call.Request.BodyReader.AdvanceTo(read.Buffer.End);
                return body;
            }

            call.Request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }
}
