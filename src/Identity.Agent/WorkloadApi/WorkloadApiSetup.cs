using System.Net;

namespace Identity.Agent.WorkloadApi;

internal static partial class WorkloadApiSetup
{
    public static void AddWorkloadApi(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<WorkloadEntitlements>();
        builder.Services.AddSingleton<WorkloadApiStreams>();
        builder.Services.AddSingleton<WorkloadApiService>();
        builder.Services.AddSingleton<WorkloadReflection>();
        builder.Services.AddSingleton<OlderWorkloadReflection>();
        builder.Services.AddHostedService<ViewExpiry>();
    }

    public static void MapWorkloadApi(this WebApplication app)
    {
        app.Use(app.Services.GetRequiredService<WorkloadApiStreams>().ServeAsync);
        app.MapGrpcService<WorkloadApiService>();
        app.MapGrpcService<WorkloadReflection>();
        app.MapGrpcService<OlderWorkloadReflection>();
        app.MapGrpcHealthChecksService();
        if (app.Services.GetRequiredService<AgentOptions>().UnidentifiedTcp is { } tcp) ServesStrangers(app.Logger, tcp);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "the Workload API is also served by TCP at {Endpoint}, to whoever connects: nobody is identified there, so it validates tokens and gives no identity to anyone")]
    private static partial void ServesStrangers(ILogger log, IPEndPoint endpoint);
}
