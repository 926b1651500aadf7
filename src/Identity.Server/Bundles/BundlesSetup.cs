namespace Identity.Server.Bundles;

internal static class BundlesSetup
{
    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddBundles()
        {
            builder.Services.AddSingleton<FederatedBundles>();
            builder.Services.AddSingleton<RevocationLists>();
            return builder;
        }
    }

    extension(WebApplication app)
    {
        public WebApplication MapBundles()
        {
            app.MapGrpcService<BundleService>();
            app.MapGrpcService<RevocationService>();
            return app;
        }
    }
}
