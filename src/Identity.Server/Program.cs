using Identity.Server.Administration;
using Identity.Server.Authority;
using Identity.Server.Bundles;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Server.Endpoints;
using Identity.Server.IstioAmbientCa;
using Identity.Server.Ledger;
using Identity.Server.NatsAuthCallout;
using Identity.Server.NodeAttestation;
using Identity.Server.Registration;
using Identity.Server.SvidSigning;
using Identity.Server.Telemetry;
using Microsoft.AspNetCore.Connections;

namespace Identity.Server;

/// <summary>The table of contents: what the control plane is made of, in the order it is put together.</summary>
internal static class Program
{
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(8);

    private static async Task<int> Main(string[] arguments)
    {
        if (SettingNames.IsHelp(arguments))
        {
            Console.WriteLine(ServerSettings.Names.Help("identityd"));
            return 0;
        }

        try
        {
            var environment = Environment.GetEnvironmentVariables();
            var settings = ServerSettings.Gather(arguments, environment);
            var dataDir = settings["data-dir"] ?? ServerSettings.DefaultDataDir(environment);
            if (!ServerOptions.TryRead(settings, dataDir, out var options, out var problems))
            {
                throw new CannotStartException($"identityd: {string.Join("; ", problems)}.", 2);
            }
            options = options with { Secrets = KeyEncryptionSettings.Read(settings, environment) };
            await using var server = await StartAsync(options, TimeProvider.System);
            Console.WriteLine(server.ReadyLine);
            await server.WaitAsync();
            return 0;
        }
        catch (CannotStartException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return e.ExitCode;
        }
    }

    /// <summary>Puts the whole process together and starts it.</summary>
    /// <exception cref="CannotStartException">Something is not as it must be; the message says what to do.</exception>
    public static async Task<RunningServer> StartAsync(ServerOptions options, TimeProvider time, Action<WebApplicationBuilder>? configure = null)
    {
        var loggers = TelemetrySetup.CreateLoggers();
        var ledger = await ControlPlaneLedger.OpenAsync(options.DataDir, time, loggers.CreateLogger<ControlPlaneLedger>());
        try
        {
            var secrets = OwnKeyEncryptionKey.Complete(options.DataDir, options.Secrets, loggers.CreateLogger(typeof(OwnKeyEncryptionKey).FullName!));
            var keys = new AuthorityKeyFolder(Path.Combine(options.DataDir, "keys"), secrets);
            var authority = await SigningAuthority.OpenAsync(ledger, keys, options.TrustDomain, options.Authority, time);
            var certificate = new ServerCertificate(authority, options);
            await certificate.RenewAsync(CancellationToken.None);
            var listeners = new Listeners(options, certificate, authority, ledger, time, loggers.CreateLogger<Listeners>());

            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "identityd" });
            builder.Services.AddSystemd();
            builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = DrainTime);
            builder.Services.AddSingleton(time);
            builder.Services.AddSingleton(options);
            builder.Services.AddSingleton(ledger);
            builder.Services.AddSingleton(certificate);
            builder.AddTelemetry();
            builder.AddAuthority(authority);
            builder.AddEndpoints(listeners);
            builder.AddRegistration();
            builder.AddNodeAttestation();
            builder.AddBundles();
            builder.AddComponentPolicy();
            builder.AddAdministration();
            builder.AddNatsAuthCallout(NatsAuthCalloutOptions.From(options), secrets);
            builder.AddIstioAmbientCa(IstioAmbientCaOptions.From(options));
            builder.AddDecisionPoints(options.DecisionPoints, listeners);
            configure?.Invoke(builder);

            var app = builder.Build();
            app.MapDecisionDoors();
            app.MapEndpoints();
            app.MapRegistration();
            app.MapNodeAttestation();
            app.MapSvidSigning();
            app.MapBundles();
            app.MapComponentPolicy();
            app.MapAdministration();
            app.MapIstioAmbientCa();
            app.MapDecisionPoints();

            app.Lifetime.ApplicationStopping.Register(ledger.EndWatches);
            AdminSocket.Clear(options.AdminSocket);
            await ListenAsync(app, options);
            AdminSocket.SetAccess(options.AdminSocket, ledger.State.Governance.Roles.NamesUnixUsers);
            return new RunningServer(app, ledger, listeners, options, loggers);
        }
        catch
        {
            await ledger.DisposeAsync();
            loggers.Dispose();
            throw;
        }
    }

    private static async Task ListenAsync(WebApplication app, ServerOptions options)
    {
        try
        {
            await app.StartAsync();
        }
        catch (IOException e) when (e.InnerException is AddressInUseException)
        {
            var (address, flag) = new[]
            {
                (options.IstioListen, "--istio-listen"),
                (options.DecisionPoints.AuthZen?.Listen, "--authzen-listen"),
                (options.DecisionPoints.Admission?.Listen, "--admission-listen"),
            }.FirstOrDefault(one => one.Item1 is { } taken && e.Message.Contains($"{taken}", StringComparison.Ordinal), (options.Listen, "--listen"));
            throw new CannotStartException($"{address} is in use by another process. Stop it, or choose another address with {flag}.", e);
        }
        catch (Exception e) when (e is System.Net.Sockets.SocketException or UnauthorizedAccessException)
        {
            throw new CannotStartException(
                $"Cannot listen on {options.Listen}, {options.IstioListen} and {options.AdminSocket}: {e.Message}.", e);
        }
    }
}
