namespace Identity.Server.Registration;

internal static class RegistrationSetup
{
    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddRegistration()
        {
            builder.Services.AddSingleton(services => new SelectorTypes(services.GetRequiredService<Endpoints.ServerOptions>().SelectorTypes));
            builder.Services.AddSingleton<EntryRegistry>();
            builder.Services.AddSingleton<AgentEntries>();
            return builder;
        }
    }

    extension(WebApplication app)
    {
        public WebApplication MapRegistration()
        {
            app.MapGrpcService<EntryService>();
            return app;
        }
    }
}
