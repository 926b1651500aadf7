using System.Buffers;
using System.Text.Json;
using Identity.Policy;

namespace Identity.Server.NatsAuthCallout;

/// <summary>The two claim sets of an answer: the user JWT and the response that wraps it.</summary>
internal static class CalloutClaims
{
    // 0 or absent means version 1, which nats-server refuses here.
    private const int Version = 2;

    public static byte[] User(NatsCalloutKeys keys, CalloutJudgement.Admitted login) => Write(json =>
    {
        json.WriteString("iss"u8, keys.Issuer.GetPublicKey());
        json.WriteString("sub"u8, login.Request.UserNkey);
        json.WriteString("aud"u8, login.Account);

        // The name is what CONNZ, logs and events show; without it an old nats-server shows the token instead.
        json.WriteString("name"u8, login.Id.ToString());
        json.WriteString("jti"u8, login.TokenId);
        json.WriteNumber("iat"u8, login.IssuedAt.ToUnixTimeSeconds());
        json.WriteNumber("exp"u8, login.ExpiresAt.ToUnixTimeSeconds());
        json.WriteStartObject("nats"u8);
        json.WriteString("type"u8, "user"u8);
        json.WriteNumber("version"u8, Version);
        WriteSide(json, "pub", login.Publish);
        WriteSide(json, "sub", login.Subscribe);
        WriteResponses(json, login.Grant?.Responses);
        json.WriteNumber("subs"u8, -1);
        json.WriteNumber("data"u8, -1);
        json.WriteNumber("payload"u8, -1);
        json.WriteEndObject();
    });

    /// <summary>Exactly one of <paramref name="userJwt"/> and <paramref name="error"/>.</summary>
    public static byte[] Response(NatsCalloutKeys keys, NatsAuthorizationRequest request, byte[]? userJwt, string? error, DateTimeOffset now)
    {
        var claims = Write(json =>
        {
            json.WriteString("iss"u8, keys.Issuer.GetPublicKey());
            json.WriteString("sub"u8, request.UserNkey);
            json.WriteString("aud"u8, request.ServerId);
            json.WriteNumber("iat"u8, now.ToUnixTimeSeconds());
            json.WriteStartObject("nats"u8);
            json.WriteString("type"u8, "authorization_response"u8);
            json.WriteNumber("version"u8, Version);
            if (userJwt is not null) json.WriteString("jwt"u8, userJwt);
            else json.WriteString("error"u8, error);
            json.WriteEndObject();
        });
        return NATS.NKeys.NatsJwt.Sign(keys.Issuer, claims);
    }

    private static void WriteSide(Utf8JsonWriter json, string name, SubjectRights rights)
    {
        json.WriteStartObject(name);
        WriteSubjects(json, "allow", rights.Allow);
        WriteSubjects(json, "deny", rights.Deny);
        json.WriteEndObject();
    }

    // Left out, nats-server lets nobody respond; a number of 0 would mean its own default, so both are always written.
    private static void WriteResponses(Utf8JsonWriter json, NatsResponses? responses)
    {
        if (responses is null) return;
        json.WriteStartObject("resp"u8);
        json.WriteNumber("max"u8, responses.MaxMessages);
        json.WriteNumber("ttl"u8, responses.Within.Ticks * TimeSpan.NanosecondsPerTick);
        json.WriteEndObject();
    }

    private static void WriteSubjects(Utf8JsonWriter json, string name, IReadOnlyList<string> subjects)
    {
        if (subjects.Count == 0) return;
        json.WriteStartArray(name);
        foreach (var subject in subjects) json.WriteStringValue(subject);
        json.WriteEndArray();
    }

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
