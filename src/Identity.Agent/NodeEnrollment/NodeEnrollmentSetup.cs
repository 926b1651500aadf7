namespace Identity.Agent.NodeEnrollment;

internal static class NodeEnrollmentSetup
{
    public static void AddNodeEnrollment(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<ServerTrust>();
        builder.Services.AddSingleton<NodeIdentity>();
        builder.Services.AddSingleton<NodeAttestor>();
        builder.Services.AddHostedService<NodeEnroller>();
    }
}
