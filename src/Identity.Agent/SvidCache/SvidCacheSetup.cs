namespace Identity.Agent.SvidCache;

internal static class SvidCacheSetup
{
    public static void AddSvidCache(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<X509SvidCache>();
        builder.Services.AddSingleton<JwtSvidCache>();
        builder.Services.AddSingleton<WitSvidCache>();
        builder.Services.AddHostedService(services => services.GetRequiredService<X509SvidCache>());
        builder.Services.AddHostedService(services => services.GetRequiredService<WitSvidCache>());
    }
}
