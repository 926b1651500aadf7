namespace Identity.Agent.WorkloadApi;

internal static class WorkloadApiSetup
{
    public static void AddWorkloadApi(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<WorkloadEntitlements>();
        builder.Services.AddSingleton<WorkloadApiStreams>();
        builder.Services.AddSingleton<WorkloadApiService>();
        builder.Services.AddSingleton<WorkloadReflection>();
    }

    public static void MapWorkloadApi(this WebApplication app)
    {
        app.MapGrpcService<WorkloadApiService>();
        app.MapGrpcService<WorkloadReflection>();
        app.MapGrpcHealthChecksService();
    }
}
