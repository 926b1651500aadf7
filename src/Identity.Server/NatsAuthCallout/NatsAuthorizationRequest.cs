using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Identity.Policy;
using NATS.NKeys;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// What a nats-server tells about one login, after its signature held. Everything in it but the server's own words
/// (its id, the time, whether TLS is on) was chosen by whoever connects. Not a record: printing one must not print the token.
/// </summary>
internal sealed class NatsAuthorizationRequest
{
    public const string Audience = "nats-authorization-request";

    private NatsAuthorizationRequest(string serverId, string serverXkey, string userNkey, DateTimeOffset expiresAt)
    {
        ServerId = serverId;
        ServerXkey = serverXkey;
        UserNkey = userNkey;
        ExpiresAt = expiresAt;
    }

    /// <summary>The nkey (N…) that signed the request; the answer's audience.</summary>
    public string ServerId { get; }

    /// <summary>Where the answer is sealed to.</summary>
    public string ServerXkey { get; }

    /// <summary>Made by the server for this one request (U…); the answer's subject, so that no answer fits another request.</summary>
    public string UserNkey { get; }

    /// <summary>When the server stops waiting.</summary>
    public DateTimeOffset ExpiresAt { get; }

    /// <summary>What came in <c>auth_token</c>, else in <c>pass</c>; null when neither did.</summary>
    public string? Token { get; private init; }

    public bool HasTls { get; private init; }

    /// <summary>By the version that the server tells of itself.</summary>
    public NatsServerKind Server { get; private init; }

    /// <summary><c>Client</c> or <c>Leafnode</c>.</summary>
    public string ConnectionKind { get; private init; } = "";

    /// <summary><c>nats</c>, <c>websocket</c> or <c>mqtt</c>; empty for a leaf node.</summary>
    public string ConnectionType { get; private init; } = "";

    public static bool TryRead(
        VerifiedNatsJwt jwt, string issuerAccount, [NotNullWhen(true)] out NatsAuthorizationRequest? request, out string problem)
    {
        request = null;
        var claims = jwt.Claims;
        var nats = Child(claims, "nats"u8);
        var server = Child(nats, "server_id"u8);
        var client = Child(nats, "client_info"u8);
        var options = Child(nats, "connect_opts"u8);
        var serverId = Text(server, "id"u8);
        var userNkey = Text(nats, "user_nkey"u8);

        if (serverId != jwt.Issuer || !NKey.IsPublicKey(jwt.Issuer, NKeyPrefix.Server))
            problem = "it is not signed by the nats-server it names";
        else if (Text(claims, "aud"u8) != Audience)
            problem = $"its audience is not {Audience}";
        else if (Text(claims, "sub"u8) != issuerAccount)
            problem = "it is meant for another issuer account";
        else if (Text(nats, "type"u8) != "authorization_request" || Number(nats, "version"u8) != 2)
            problem = "it is not an authorization request of version 2";
        else if (!NKey.IsPublicKey(userNkey, NKeyPrefix.User))
            problem = "its user_nkey is not a user key";
        else if (Number(claims, "exp"u8) is not { } expires || expires is <= 0 or > 253_402_300_799)
            problem = "it has no expiry";
        else
        {
            problem = "";
            request = new NatsAuthorizationRequest(serverId, Text(server, "xkey"u8), userNkey, DateTimeOffset.FromUnixTimeSeconds(expires))
            {
                Token = NullIfEmpty(Text(options, "auth_token"u8)) ?? NullIfEmpty(Text(options, "pass"u8)),
                Server = NatsServerKinds.KindOf(Text(server, "version"u8)),
                HasTls = Text(Child(nats, "client_tls"u8), "version"u8).Length > 0,
                ConnectionKind = Text(client, "kind"u8),
                ConnectionType = Text(client, "type"u8),
            };
        }

        return request is not null;
    }

    private static JsonElement Child(JsonElement parent, ReadOnlySpan<byte> name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var child) ? child : default;

    private static string Text(JsonElement parent, ReadOnlySpan<byte> name) =>
        Child(parent, name) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : "";

    private static long? Number(JsonElement parent, ReadOnlySpan<byte> name) =>
        Child(parent, name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt64(out var number) ? number : null;

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
