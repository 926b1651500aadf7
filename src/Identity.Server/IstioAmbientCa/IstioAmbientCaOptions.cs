using Identity.Server.Endpoints;

namespace Identity.Server.IstioAmbientCa;

internal sealed class IstioAmbientCaOptions
{
    /// <summary>Where jwks.json and placement.json are: <c>&lt;data&gt;/istio</c>.</summary>
    public required string Folder { get; set; }

    /// <summary>The audience of the callers' tokens; default istio-ca, as Istio's charts project it.</summary>
    public string Audience { get; set; } = "istio-ca";

    /// <summary>Used when the request names no lifetime; default one hour.</summary>
    public TimeSpan DefaultLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>More is cut, not refused; default 24 hours.</summary>
    public TimeSpan MaxLifetime { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Less is raised, because ztunnel renews at half of it; default 5 minutes.</summary>
    public TimeSpan MinLifetime { get; set; } = TimeSpan.FromMinutes(5);

    public static IstioAmbientCaOptions From(ServerOptions server) => new() { Folder = Path.Combine(server.DataDir, "istio") };
}
