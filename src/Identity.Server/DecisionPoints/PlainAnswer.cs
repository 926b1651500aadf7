namespace Identity.Server.DecisionPoints;

/// <summary>How a door on HTTP says that there is no decision.</summary>
internal static class PlainAnswer
{
    public static Task SayAsync(HttpContext call, int status, string message)
    {
        call.Response.StatusCode = status;
        call.Response.ContentType = "text/plain; charset=utf-8";
        return call.Response.WriteAsync(message, call.RequestAborted);
    }
}
