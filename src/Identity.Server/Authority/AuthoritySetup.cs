namespace Identity.Server.Authority;

internal static class AuthoritySetup
{
    extension(WebApplicationBuilder builder)
    {
        public WebApplicationBuilder AddAuthority(SigningAuthority authority)
        {
            builder.Services.AddSingleton(authority);
            builder.Services.AddSingleton(authority.TrustDomain);
            builder.Services.AddHostedService<AuthorityRotator>();
            return builder;
        }
    }
}
