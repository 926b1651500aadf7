namespace Identity.Agent.WorkloadAttestation;

internal static class WorkloadAttestationSetup
{
    public static void AddWorkloadAttestation(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton(new AccountNames());
        builder.Services.AddSingleton(services => new SubordinateUsers(services.GetRequiredService<AccountNames>()));
        builder.Services.AddSingleton(new SystemdUnits());
        builder.Services.AddSingleton(services => new NamedFiles(services.GetRequiredService<TimeProvider>(), services.GetRequiredService<SubordinateUsers>()));
        builder.Services.AddSingleton(services => new ExecutableHashes(services.GetRequiredService<TimeProvider>(), services.GetRequiredService<SubordinateUsers>()));
        builder.Services.AddSingleton<WorkloadAttestor>();
        builder.Services.AddSingleton<PeerProcesses>();
    }
}
