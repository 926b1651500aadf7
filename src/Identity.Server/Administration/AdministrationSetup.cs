namespace Identity.Server.Administration;

/// <summary>When this process started.</summary>
internal sealed record ServerStart(DateTimeOffset At);

internal static class AdministrationSetup
{
    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddAdministration()
        {
            builder.Services.AddSingleton(services => new ServerStart(services.GetRequiredService<TimeProvider>().GetUtcNow()));
            return builder;
        }
    }

    extension(WebApplication app)
    {
        public WebApplication MapAdministration()
        {
            // Made now, so that its time is the time of the start.
            app.Services.GetRequiredService<ServerStart>();
            app.MapGrpcService<ControlService>();
            return app;
        }
    }
}
