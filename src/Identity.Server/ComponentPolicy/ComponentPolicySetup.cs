using Grpc.AspNetCore.Server;

namespace Identity.Server.ComponentPolicy;

internal static class ComponentPolicySetup
{
    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddComponentPolicy()
        {
            Ed25519Signatures.RequireLibrary();
            builder.Services.AddSingleton<UnknownFieldGate>();
            builder.Services.Configure<GrpcServiceOptions<PolicyAdminService>>(admin => admin.Interceptors.Add<UnknownFieldGate>());
            builder.Services.AddSingleton<PolicyRegistry>();
            builder.Services.AddSingleton<PolicyRevisions>();
            builder.Services.AddSingleton(services => new PolicyComparisons(services.GetRequiredService<TimeProvider>()));
            builder.Services.AddSingleton<PolicyProposals>();
            builder.Services.AddSingleton<PolicyQuestions>();
            builder.Services.AddSingleton<ShadowCounts>();
            builder.Services.AddSingleton<StageObservations>();
            builder.Services.AddSingleton<StagedChanges>();
            builder.Services.AddSingleton<StageSurvey>();
            builder.Services.AddHostedService<StageRunner>();
            builder.Services.AddSingleton<DecisionLog>();
            builder.Services.AddSingleton<LiveAdmissions>();
            builder.Services.AddSingleton<AgentReports>();
            builder.Services.AddSingleton<SnapshotComposer>();
            return builder;
        }
    }

    extension(WebApplication app)
    {
        public WebApplication MapComponentPolicy()
        {
            app.MapGrpcService<PolicyAdminService>();
            app.MapGrpcService<SyncService>();
            app.MapGrpcService<ExplainService>();
            return app;
        }
    }
}
