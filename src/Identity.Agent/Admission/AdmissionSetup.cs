namespace Identity.Agent.Admission;

internal static class AdmissionSetup
{
    public static void AddAdmission(this WebApplicationBuilder builder)
    {
        Ed25519Signatures.RequireLibrary();
        builder.Services.AddSingleton<ComponentUploads>();
        builder.Services.AddSingleton<AdmissionRegister>();
        builder.Services.AddSingleton<AudienceDoor>();
        builder.Services.AddSingleton<AdmissionService>();
        // A whole chunk, its tag and length, and room to say "too long" ourselves.
        builder.Services.AddGrpc().AddServiceOptions<AdmissionService>(grpc => grpc.MaxReceiveMessageSize = 2 * ComponentUploads.MaxChunkBytes);
    }

    public static void MapAdmission(this WebApplication app) => app.MapGrpcService<AdmissionService>();
}
