using Identity.Server.Authority;
using Identity.Server.DecisionPoints;
using Identity.Server.Ledger;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Server.Endpoints;

internal static class EndpointsSetup
{
    private const int MaxRequestBytes = 4 << 20;

    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddEndpoints(Listeners listeners)
        {
            builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(listeners.Configure);
            builder.Services.AddGrpc(grpc =>
            {
                grpc.MaxReceiveMessageSize = MaxRequestBytes;
                grpc.EnableDetailedErrors = false;
                grpc.Interceptors.Add<CallGate>();
            });
            builder.Services.AddSingleton<CallGate>();
            builder.Services.AddSingleton<CallerIdentification>();
            builder.Services.AddGrpcReflection();
            builder.Services.AddGrpcHealthChecks().AddCheck<LedgerHealth>("ledger").AddCheck<AuthorityHealth>("authority");
            builder.Services.AddHostedService<ServerCertificateRenewer>();
            builder.Services.AddHostedService<AdminSocketAccess>();
            return builder;
        }
    }

    extension(WebApplication app)
    {
        public WebApplication MapEndpoints()
        {
            var identification = app.Services.GetRequiredService<CallerIdentification>();
            var time = app.Services.GetRequiredService<TimeProvider>();
            app.Use(async (call, next) =>
            {
                var caller = identification.Identify(call);
                StrangerBounds.Apply(call, caller);
                if (caller is Caller.Agent agent) call.Features.Get<DoorPlace>()?.Prove(agent.Id.ToString());
                using var deadline = StrangerBounds.AreOf(caller) ? new CallDeadline(call, time) : null;
                await next(call);
                UnreadableRequest.Answer(call);
            });
            app.MapGrpcHealthChecksService();
            app.MapGrpcReflectionService();
            return app;
        }
    }

    private sealed class AuthorityHealth(SigningAuthority authority) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(authority.Fault is { } fault ? HealthCheckResult.Unhealthy(fault) : HealthCheckResult.Healthy());
    }

    private sealed class LedgerHealth(ControlPlaneLedger ledger) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(ledger.Fault is { } fault ? HealthCheckResult.Unhealthy(fault) : HealthCheckResult.Healthy());
    }
}
