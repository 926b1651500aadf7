namespace Identity.Server.NodeAttestation;

internal static class NodeAttestationSetup
{
    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddNodeAttestation()
        {
            builder.Services.AddSingleton<AgentSvidSigner>();
            builder.Services.AddSingleton<AgentEnrollment>();
            builder.Services.AddSingleton<AgentRegistry>();
            builder.Services.AddSingleton<AttestationThrottle>();
            builder.Services.AddSingleton<NodeRefusals>();
            return builder;
        }
    }

    extension(WebApplication app)
    {
        public WebApplication MapNodeAttestation()
        {
            app.MapGrpcService<AgentService>();
            return app;
        }
    }
}
