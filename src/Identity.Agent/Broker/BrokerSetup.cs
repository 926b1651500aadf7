namespace Identity.Agent.Broker;

internal static class BrokerSetup
{
    public static void AddBroker(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<BrokerCallers>();
        builder.Services.AddSingleton<BrokerService>();
        builder.Services.AddSingleton<ExplainService>();
    }

    public static void MapBroker(this WebApplication app)
    {
        app.MapGrpcService<BrokerService>();
        app.MapGrpcService<ExplainService>();
    }
}
