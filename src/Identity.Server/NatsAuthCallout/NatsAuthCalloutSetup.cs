using Identity.Server.Administration;
using Identity.Server.Authority;

namespace Identity.Server.NatsAuthCallout;

internal static class NatsAuthCalloutSetup
{
    extension(WebApplicationBuilder builder)
    {
        /// <summary>Answers nats-server's logins and ends sessions whose ground is gone.</summary>
        /// <exception cref="CannotStartException">The callout's keys cannot be read.</exception>
        public WebApplicationBuilder AddNatsAuthCallout(NatsAuthCalloutOptions options, SecretFiles secrets)
        {
            var keys = NatsCalloutKeys.LoadOrCreate(options.Folder, secrets);
            builder.Services.AddSingleton(options);
            builder.Services.AddSingleton(_ => keys);
            builder.Services.AddSingleton(new NatsAuthCalloutResponder(keys, options.TrustDomain, options.MaxSession));
            builder.Services.AddSingleton<INatsLoginBackend, NatsLoginBackend>();
            builder.Services.AddSingleton(provider => new GrantedLogins(options.MaxSession, provider.GetRequiredService<TimeProvider>()));
            builder.Services.AddSingleton(new SweptMark(options.Folder));
            builder.Services.AddSingleton<NatsConnectionKicker>();
            builder.Services.AddSingleton<NatsAuthCalloutService>();
            builder.Services.AddSingleton<INatsReport, NatsReport>();
            builder.Services.AddHostedService(provider => provider.GetRequiredService<NatsAuthCalloutService>());
            builder.Services.AddHostedService(provider => provider.GetRequiredService<NatsConnectionKicker>());
            return builder;
        }
    }
}
