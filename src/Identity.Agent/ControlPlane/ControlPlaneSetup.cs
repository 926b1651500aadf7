namespace Identity.Agent.ControlPlane;

internal static class ControlPlaneSetup
{
    public static void AddControlPlane(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<ChangeFeed>();
        builder.Services.AddSingleton<ServerConnection>();
        builder.Services.AddSingleton<ViewHolder>();
        builder.Services.AddSingleton<AgentReports>();
        builder.Services.AddHostedService<SyncClient>();
    }
}
