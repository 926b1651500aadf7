using Grpc.AspNetCore.HealthChecks;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints.AuthZen;
using Identity.Server.DecisionPoints.Grpc;
using Identity.Server.DecisionPoints.KubernetesAdmission;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints;

internal static class DecisionPointsSetup
{
    /// <summary>Names of gRPC health: <c>identity.v1.DecisionPoint.&lt;door&gt;</c>.</summary>
    public const string HealthPrefix = "identity.v1.DecisionPoint.";

    // Answers hosts keep for ever, also those that are gone: of fifty a host, 1,800 lives of hosts. With usual names 90 MB, with the longest 280.
    private const int AnswersRemembered = 100_000;

    // Some hundred components with dozens of functions each; a host that says more of itself is not let to the others' room.
    private const int AnswersOfOneHost = 5_000;
    private const int RefusalsRemembered = 10_000;

    // An API server tells of deletions where the webhook is registered for them, and of nothing else: what is silent runs on.
    private static readonly TimeSpan AdmittedFor = TimeSpan.FromDays(30);

    // The operator asks hosts for the state of each workload twice a minute.
    private static readonly TimeSpan StartedFor = TimeSpan.FromDays(1);

    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddDecisionPoints(DecisionPointsOptions options, Listeners listeners)
        {
            builder.Services.AddSingleton(options);
            builder.Services.AddSingleton(options.Clients);
            builder.Services.AddSingleton<DecisionPoint>();
            // One for each door: strangers at the one take no room at the other.
            builder.Services.AddTransient<BoundedBody>();
            if (options.AuthZen is { } authZen) builder.Services.AddSingleton(authZen).AddSingleton<AuthZenEndpoint>();
            if (options.Admission is not null)
            {
                builder.Services.AddSingleton(listeners.AdmissionClients);
                builder.AddAllowedWorkloads(new AllowedWorkloadsOptions(DoorName.KubernetesAdmission, listeners.AdmissionClients.AsksForCertificate, AdmittedFor, HearsEnds: true));
                builder.Services.AddSingleton(provider => ActivatorUtilities.CreateInstance<AdmissionEndpoint>(provider, WorkloadsOf(provider, DoorName.KubernetesAdmission)));
                builder.AddHealth(DoorName.KubernetesAdmission, provider => WorkloadsOf(provider, DoorName.KubernetesAdmission).Problem);
            }

            if (options.WasmCloud is { } wasmCloud) builder.AddWasmCloud(wasmCloud);
            return builder;
        }

        private void AddAllowedWorkloads(AllowedWorkloadsOptions options)
        {
            builder.Services.TryAddSingleton(provider => WorkloadStore.Open(
                provider.GetRequiredService<ControlPlaneLedger>().Folder,
                provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<ILogger<WorkloadStore>>()));
            builder.Services.AddSingleton(provider => new AllowedWorkloads(
                options,
                provider.GetRequiredService<StageObservations>(),
                provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<WorkloadStore>(),
                hasEarlier: provider.GetRequiredService<ControlPlaneLedger>().State.PolicyRevision > 0));
        }

        // A lattice whose NATS is away, or a disk without room for what a door remembers, is not this server's own illness, so each door has a name of its own.
        private void AddHealth(DoorName door, Func<IServiceProvider, string?> problem)
        {
            var name = HealthPrefix + door.Text;
            builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(name, provider => new DoorHealth(() => problem(provider)), failureStatus: null, tags: null));
            builder.Services.Configure<GrpcHealthChecksOptions>(grpc =>
            {
                grpc.Services.Map("", registration => !registration.Name.StartsWith(HealthPrefix, StringComparison.Ordinal));
                grpc.Services.Map(name, registration => registration.Name == name);
            });
        }

        private void AddWasmCloud(WasmCloudOptions options)
        {
            builder.Services.AddSingleton(options);
            if (options.PolicyTopic is not null)
            {
                // Without a topic there is nobody to tell, and nothing to keep.
                if (options.ChangesTopic is not null)
                {
                    builder.Services.AddSingleton(provider => AnswerStore.Open(
                        provider.GetRequiredService<ControlPlaneLedger>().Folder,
                        provider.GetRequiredService<TimeProvider>(),
                        provider.GetRequiredService<ILogger<AnswerStore>>()));
                }

                builder.Services.AddSingleton(provider => new GivenAnswers(AnswersRemembered, AnswersOfOneHost, provider.GetService<AnswerStore>()));
                builder.Services.AddSingleton(provider => new PolicyResponder(
                    provider.GetRequiredService<DecisionPoint>(),
                    provider.GetRequiredService<TrustDomain>(),
                    provider.GetRequiredService<GivenAnswers>(),
                    canCorrect: options.ChangesTopic is not null,
                    provider.GetRequiredService<TimeProvider>()));
                builder.Services.AddSingleton<HeldAnswers>();
                builder.Services.AddSingleton<PolicyService>();
                builder.Services.AddHostedService(provider => provider.GetRequiredService<PolicyService>());
                builder.AddHealth(DoorName.WasmCloudPolicyService, provider => provider.GetRequiredService<PolicyService>().Problem);
            }

            if (options.GatePrefix is not null)
            {
                builder.Services.AddSingleton(new RefusedWorkloads(RefusalsRemembered));
                builder.Services.AddSingleton<StartJudge>();
                builder.AddAllowedWorkloads(new AllowedWorkloadsOptions(DoorName.WasmCloudInterposer, IsProven: false, StartedFor, HearsEnds: false));
                builder.Services.AddSingleton(provider => ActivatorUtilities.CreateInstance<StartInterposer>(provider, WorkloadsOf(provider, DoorName.WasmCloudInterposer)));
                builder.Services.AddHostedService(provider => provider.GetRequiredService<StartInterposer>());
                builder.AddHealth(DoorName.WasmCloudInterposer, provider => provider.GetRequiredService<StartInterposer>().Problem);
            }
        }
    }

    extension(WebApplication app)
    {
        /// <summary>What comes on a door of its own is answered there, and nothing else is served on it. Before everything that is routed.</summary>
        public WebApplication MapDecisionDoors()
        {
            var authZen = app.Services.GetService<AuthZenEndpoint>();
            var admission = app.Services.GetService<AdmissionEndpoint>();
            if (authZen is null && admission is null) return app;
            app.Use((call, next) => call.Features.Get<ListenerFeature>()?.Kind switch
            {
                ListenerKind.AuthZen when authZen is not null => authZen.HandleAsync(call),
                ListenerKind.Admission when admission is not null => admission.HandleAsync(call),
                _ => next(call),
            });
            return app;
        }

        public WebApplication MapDecisionPoints()
        {
            app.MapGrpcService<DecisionPointService>();
            return app;
        }
    }

    private static AllowedWorkloads WorkloadsOf(IServiceProvider provider, DoorName door) =>
        provider.GetServices<AllowedWorkloads>().Single(workloads => workloads.Door == door);

    private sealed class DoorHealth(Func<string?> problem) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(problem() is { } why ? HealthCheckResult.Unhealthy(why) : HealthCheckResult.Healthy());
    }
}
