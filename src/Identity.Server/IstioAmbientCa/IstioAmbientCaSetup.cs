namespace Identity.Server.IstioAmbientCa;

internal static class IstioAmbientCaSetup
{
    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddIstioAmbientCa(IstioAmbientCaOptions options)
        {
            builder.Services.AddSingleton(options);
            builder.Services.AddSingleton(new MeshTrustFiles(options.Folder));
            builder.Services.AddSingleton<IIstioCaBackend, IstioCaBackend>();
            builder.Services.AddSingleton<IstioCertificateService>();
            return builder;
        }
    }

    extension(WebApplication app)
    {
        public WebApplication MapIstioAmbientCa()
        {
            app.MapGrpcService<IstioCertificateService>();
            return app;
        }
    }
}
