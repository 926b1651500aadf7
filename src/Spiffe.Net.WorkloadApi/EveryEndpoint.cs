using System.Collections.Concurrent;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// For a host of which every endpoint is to be served over mTLS. Kestrel gives endpoint defaults to those alone that are told to listen later, and keeps the last defaults
/// only, so an endpoint may lack ours: then the host does not start. Until that is known, and whatever comes later, no request is served that came another way.
/// </summary>
/// <param name="services">For the server, which is not made yet while its endpoints are configured.</param>
internal sealed class EveryEndpoint(IServiceProvider services, ILoggerFactory loggers, TimeProvider timeProvider) : IHostedLifecycleService
{
    private readonly ConcurrentBag<ListenOptions> _covered = [];
    private readonly RefusalLog _refusals = new(loggers.CreateLogger(typeof(SpiffeTls).FullName!), timeProvider);

    /// <summary>Is served over mTLS.</summary>
    public void Covers(ListenOptions listen) => _covered.Add(listen);

    public void Refuse(HttpContext context) =>
        _refusals.RequestWithoutTls(context.Connection is { LocalIpAddress: { } address, LocalPort: var port } ? $"{new System.Net.IPEndPoint(address, port)}" : "an endpoint without an address");

    /// <exception cref="InvalidOperationException">An endpoint listens that is not covered.</exception>
    public Task StartedAsync(CancellationToken cancellationToken)
    {
        // Both are what Kestrel calls an endpoint once it is bound.
        var covered = _covered.Select(listen => listen.ToString()).ToHashSet(StringComparer.Ordinal);
        var listening = services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? [];
        if (listening.FirstOrDefault(address => !covered.Contains(address)) is not { } bare) return Task.CompletedTask;
        throw new InvalidOperationException(
            $"{bare} would be served without mTLS, although {nameof(SpiffeKestrelExtensions.UseSpiffeTls)} is to cover every endpoint: it was told to listen before, or "
            + $"{nameof(KestrelServerOptions.ConfigureEndpointDefaults)} was called after. Call builder.WebHost.{nameof(SpiffeKestrelExtensions.UseSpiffeTls)} before any code that "
            + $"tells Kestrel to listen and after all endpoint defaults; or else listen.{nameof(SpiffeKestrelExtensions.UseSpiffeTls)} for each endpoint, and builder.Services.{nameof(SpiffeKestrelExtensions.AddSpiffeTls)}().");
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
