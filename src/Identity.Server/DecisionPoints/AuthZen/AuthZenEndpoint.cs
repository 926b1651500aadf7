using Identity.Policy;
using Identity.Server.Authority;
using Identity.Server.Endpoints;
using Identity.Server.Registration;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints.AuthZen;

/// <summary>
/// The Authorization API 1.0 on a listener of its own. A PEP proves itself by the X509-SVID of its connection or by a JWT-SVID whose
/// audience is the PDP's identifier, and must be one of the decision clients. HTTP says how the asking went, the body what was decided.
/// </summary>
internal sealed partial class AuthZenEndpoint(
    DecisionPoint point, DecisionClients clients, BoundedBody bodies, SigningAuthority authority, AuthZenOptions options, TimeProvider time, ILogger<AuthZenEndpoint> logger)
{
    // Whoever reaches the port can be refused as often as it likes; the log need not say so each time.
    private readonly RecordingBound _refusalsLogged = new(60);

    private const string RequestId = "X-Request-ID";
    private const int MaxRequestId = 256;
    private const int MaxToken = 8192;

    public async Task HandleAsync(HttpContext call)
    {
        Echo(call);
        try
        {
            await AnswerAsync(call);
        }
        catch (Exception e) when (call.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException)
        {
            // The PEP has left.
        }
        catch (BadHttpRequestException e)
        {
            await PlainAnswer.SayAsync(call, e.StatusCode == StatusCodes.Status413PayloadTooLarge ? 413 : 400, $"the body cannot be read, or has more than {EvaluationRequest.Bounds.MaxBytes} bytes");
        }
        catch (Exception e)
        {
            Failed(e);
            if (!call.Response.HasStarted) await PlainAnswer.SayAsync(call, 500, "internal error; the server's log says more");
        }
    }

    private async Task AnswerAsync(HttpContext call)
    {
        var identifier = Identifier(call);
        var path = call.Request.Path.Value ?? "";
        if (path == PdpMetadata.WellKnownPath)
        {
            if (!HttpMethods.IsGet(call.Request.Method)) await NotAllowedAsync(call, "GET");
            else
            {
                call.Response.Headers.CacheControl = "max-age=3600";
                await WriteAsync(call, PdpMetadata.ToJson(identifier));
            }

            return;
        }

        if (path is not (PdpMetadata.EvaluationPath or PdpMetadata.EvaluationsPath))
        {
            await PlainAnswer.SayAsync(call, 404, $"there is nothing here; {PdpMetadata.WellKnownPath} says what is served");
            return;
        }

        if (!HttpMethods.IsPost(call.Request.Method))
        {
            await NotAllowedAsync(call, "POST");
            return;
        }

        if (await IdentifyAsync(call, identifier) is not { } pep) return;
        if (!IsJson(call.Request.ContentType))
        {
            await PlainAnswer.SayAsync(call, 400, "Content-Type is not application/json");
            return;
        }

        var body = await bodies.ReadAsync(call, EvaluationRequest.Bounds.MaxBytes, pep.ToString());
        if (body.Bytes is null)
        {
            await PlainAnswer.SayAsync(call, body.Status, body.Problem);
            return;
        }

        if (!EvaluationRequest.TryParse(body.Bytes, mayBatch: path == PdpMetadata.EvaluationsPath, out var request, out var problem))
        {
            DecisionPointTelemetry.Count(DoorName.AuthZen, DecisionOutcome.Malformed);
            await PlainAnswer.SayAsync(call, 400, problem);
            return;
        }

        var asking = new Asking(DoorName.AuthZen, pep.ToString());
        var responses = Evaluate(request, asking, call.RequestAborted);
        await WriteAsync(call, request.IsBatch ? EvaluationResponse.Several(responses) : EvaluationResponse.Single(responses[0]));
    }

    // What nobody waits for is neither decided nor recorded.
    private List<EvaluationResponse> Evaluate(EvaluationRequest request, Asking asking, CancellationToken abandoned)
    {
        var responses = new List<EvaluationResponse>(request.Evaluations.Count);
        foreach (var one in request.Evaluations)
        {
            abandoned.ThrowIfCancellationRequested();
            var response = one.Evaluation is { } evaluation ? Evaluate(evaluation, asking) : EvaluationResponse.Wrong(one.Problem ?? "it cannot be read");
            responses.Add(response);
            if ((request.Semantic == EvaluationsSemantic.DenyOnFirstDeny && !response.Decision)
                || (request.Semantic == EvaluationsSemantic.PermitOnFirstPermit && response.Decision)) break;
        }

        return responses;
    }

    private EvaluationResponse Evaluate(Evaluation evaluation, Asking asking)
    {
        if (!EvaluationQuestion.TryMap(evaluation, out var question, out var problem))
        {
            var refused = point.Refuse("", problem, asking);
            return new EvaluationResponse(false, refused.DecisionId, problem, null, refused.Revision, []);
        }

        var answer = point.Decide([question], asking);
        return new EvaluationResponse(answer.Allowed, answer.DecisionId, answer.Reason, answer.SmallestGrant, answer.Revision, answer.Warnings);
    }

    // 401 when nobody is proven, 403 when somebody is who may not ask.
    private async Task<SpiffeId?> IdentifyAsync(HttpContext call, string identifier)
    {
        var (id, problem) = Prove(call, identifier);
        if (id is null)
        {
            if (_refusalsLogged.HasRoom(time)) NotAuthenticated();
            call.Response.Headers.WWWAuthenticate = $"Bearer realm=\"{identifier}\"";
            await PlainAnswer.SayAsync(call, 401, problem);
            return null;
        }

        if (clients.Contains(id)) return id;
        if (_refusalsLogged.HasRoom(time)) NotAClient(id);
        await PlainAnswer.SayAsync(call, 403, $"{id} is not a decision client of this server");
        return null;
    }

    private (SpiffeId? Id, string Problem) Prove(HttpContext call, string identifier)
    {
        var now = time.GetUtcNow();
        var authorization = call.Request.Headers.Authorization;
        if (authorization.Count > 0)
        {
            const string Scheme = "Bearer ";
            if (authorization is not [{ } header] || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) || header.Length > MaxToken)
                return (null, "Authorization is not one Bearer token");
            return JwtSvidVerifier.Verify(header[Scheme.Length..].Trim(), identifier, authority.Bundles(), now) switch
            {
                JwtSvidVerification.Verified verified => (verified.Svid.Id, ""),
                JwtSvidVerification.Refused refused => (null, refused.Reason),
                _ => (null, "the token was not verified"),
            };
        }

        return call.Features.Get<ClientCertificate>()?.Verification switch
        {
            X509SvidVerification.Verified verified when verified.TrustedUntil > now => (verified.Id, ""),
            X509SvidVerification.Verified => (null, "the client's SVID expired while the connection was open"),
            X509SvidVerification.Refused refused => (null, refused.Reason),
            _ => (null, $"neither a client certificate nor a token was shown; expected an X509-SVID, or a JWT-SVID for {identifier}"),
        };
    }

    private string Identifier(HttpContext call) =>
        options.Identifier ?? $"{(options.IsPlain ? "http" : "https")}://{new System.Net.IPEndPoint(options.Listen.Address, call.Connection.LocalPort)}";

    private static bool IsJson(string? type) =>
        type is not null && System.Net.Http.Headers.MediaTypeHeaderValue.TryParse(type, out var media) && media.MediaType is "application/json"
        && media.CharSet?.Trim('"') is null or "utf-8" or "UTF-8";

    // The specification's: the same identifier in the response, also of an error.
    private static void Echo(HttpContext call)
    {
        if (call.Request.Headers[RequestId] is [{ Length: > 0 and <= MaxRequestId } id] && !id.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            call.Response.Headers[RequestId] = id;
    }

    private static Task NotAllowedAsync(HttpContext call, string allowed)
    {
        call.Response.Headers.Allow = allowed;
        return PlainAnswer.SayAsync(call, 405, $"only {allowed} is served here");
    }

    private static Task WriteAsync(HttpContext call, byte[] json)
    {
        call.Response.ContentType = "application/json";
        call.Response.ContentLength = json.Length;
        return call.Response.Body.WriteAsync(json, call.RequestAborted).AsTask();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "An AuthZEN request was refused: nobody was proven to ask")]
    private partial void NotAuthenticated();

    [LoggerMessage(Level = LogLevel.Warning, Message = "An AuthZEN request of {Pep} was refused: it is not a decision client")]
    private partial void NotAClient(SpiffeId pep);

    [LoggerMessage(Level = LogLevel.Error, Message = "An AuthZEN request failed.")]
    private partial void Failed(Exception cause);
}
