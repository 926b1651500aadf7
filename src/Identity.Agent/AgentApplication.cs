using Identity.Agent.Admission;
using Identity.Agent.Broker;
using Identity.Agent.ControlPlane;
using Identity.Agent.Decisions;
using Identity.Agent.Endpoints;
using Identity.Agent.NodeEnrollment;
using Identity.Agent.SvidCache;
using Identity.Agent.WorkloadApi;
using Identity.Agent.WorkloadAttestation;

namespace Identity.Agent;

/// <summary>The agent, put together: one line for each room, in the order in which they start.</summary>
internal static class AgentApplication
{
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(10);

    public static WebApplication Build(AgentOptions options, TimeProvider time, TextWriter readyLine, Action<WebApplicationBuilder>? also = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.Sources.Clear(); // ours alone decide; ASPNETCORE_URLS must not open a port
        builder.AddTelemetry();
        builder.Services.AddSystemd();
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(time);
        builder.Services.AddSingleton(readyLine);
        builder.Services.AddSingleton<DecisionLog>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = DrainTime);

        builder.AddNodeEnrollment();
        builder.AddControlPlane();
        builder.AddSvidCache();
        builder.AddWorkloadAttestation();
        builder.AddEndpoints(options);
        builder.AddWorkloadApi();
        builder.AddBroker();
        builder.AddAdmission();
        builder.Services.AddHostedService<ReadyLine>();
        builder.Services.AddHostedService<ClockWatch>();
        also?.Invoke(builder);

        var app = builder.Build();
        app.MapWorkloadApi();
        app.MapBroker();
        app.MapAdmission();
        return app;
    }
}
