namespace Identity.Server.NatsAuthCallout;

internal static class NatsAuthCalloutSetup
{
    extension(IServiceCollection services)
    {
        /// <summary>Answers nats-server's logins and ends sessions whose ground is gone. Needs an <see cref="INatsLoginBackend"/>.</summary>
        public void AddNatsAuthCallout(NatsAuthCalloutOptions options)
        {
            services.AddSingleton(options);
            services.AddSingleton(_ => NatsCalloutKeys.LoadOrCreate(options.Folder));
            services.AddSingleton(p => new NatsAuthCalloutResponder(p.GetRequiredService<NatsCalloutKeys>(), options.TrustDomain, options.MaxSession));
            services.AddSingleton<NatsAuthCalloutService>();
            services.AddHostedService(p => p.GetRequiredService<NatsAuthCalloutService>());
            services.AddHostedService<NatsConnectionKicker>();
        }
    }
}
