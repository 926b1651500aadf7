using Grpc.Core;

namespace Identity.Tests;

internal static class ClientStreams
{
    /// <summary>
    /// Sends as much as the server takes. Who is refused before all is sent hears of it in one of three ways here, as the race between writing and the
    /// end of the call goes; the reason is on the stream of answers, to be read next.
    /// </summary>
    public static async Task SendAsync<T>(this IClientStreamWriter<T> stream, params T[] messages)
    {
        try
        {
            foreach (var message in messages) await stream.WriteAsync(message, TestContext.Current.CancellationToken);
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException or OperationCanceledException && !TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            // The reader of the answers is told.
        }
    }

    /// <summary>The same, and that there is no more.</summary>
    public static async Task SendAllAsync<T>(this IClientStreamWriter<T> stream, params T[] messages)
    {
        await stream.SendAsync(messages);
        try
        {
            await stream.CompleteAsync();
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException or OperationCanceledException)
        {
            // The reader of the answers is told.
        }
    }
}
