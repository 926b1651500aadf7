using System.Formats.Asn1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Issuance;
using Identity.Testing.WorkloadApi;
using Microsoft.Extensions.Logging;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Spiffe.WorkloadApi.V1;
using Xunit;

namespace Identity.Tests.WorkloadApi;

/// <summary>Responses that made the reader throw what nobody expected. One of them must not be the last that is read.</summary>
public sealed class OddResponseTests : IAsyncLifetime
{
    private readonly TestAuthority _authority = new();
    private FakeWorkloadApi _api = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _api = await FakeWorkloadApi.StartAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public void A_key_on_a_curve_that_nobody_knows_is_no_svid()
    {
        var message = _authority.IssueX509(_authority.Id("/a"));
        Assert.False(X509Svid.TryParse(message.X509Svid.Memory, KeyOnUnknownCurve(), "", out _, out var problem));
        Assert.Contains("the private key of spiffe://example.org/a is not unencrypted PKCS#8, is of no known kind", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_on_a_curve_that_nobody_knows_is_no_authority()
    {
        Assert.False(LocalAuthorityKey.TryImportPkcs8(KeyOnUnknownCurve(), out _, out var problem));
        Assert.Contains("not an unencrypted PKCS#8", problem, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("rule", "WLAPI-11")]
    public async Task A_source_goes_on_after_a_key_on_a_curve_that_nobody_knows()
    {
        _api.Serve(_authority.Respond(_authority.Id("/1")));
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(), cancellation: Cancellation);
        var odd = _authority.IssueX509(_authority.Id("/2"));
        odd.X509SvidKey = ByteString.CopyFrom(KeyOnUnknownCurve());
        await AssertGoesOnAsync(source, new X509SVIDResponse { Svids = { odd } }, () => { });
    }

    [Fact]
    [Trait("rule", "WLAPI-19")]
    public async Task A_logger_that_throws_holds_up_neither_what_comes_nor_what_is_taken_away()
    {
        _api.Serve(_authority.Respond(_authority.Id("/1")));
        await using var source = await X509Source.CreateAsync(_api.ClientOptions(logger: new FailingLogger()), cancellation: Cancellation);
        var odd = _authority.Respond(_authority.Id("/2"));
        odd.FederatedBundles["spiffe://other.test"] = ByteString.CopyFromUtf8("no bundle");
        await AssertGoesOnAsync(source, odd, () => { });

        _api.Refuse(StatusCode.PermissionDenied);
        await X509SourceTests.Until(source, context => context.Svids.Count == 0);
        Assert.Empty(source.Bundles.Bundles);
        _api.Serve(_authority.Respond(_authority.Id("/4")));
        await X509SourceTests.Until(source, context => context.Default?.Id == _authority.Id("/4"));

        // After this it asks no more.
        _api.Refuse(StatusCode.InvalidArgument);
        await X509SourceTests.Until(source, context => context.Svids.Count == 0);
        Assert.Empty(source.Bundles.Bundles);
    }

    [Fact]
    public async Task A_claim_without_a_kind_makes_no_valid_token()
    {
        using var client = new WorkloadApiClient(_api.ClientOptions());
        _api.ServeValidation(_ => new ValidateJWTSVIDResponse
        {
            SpiffeId = "spiffe://example.org/a",
            Claims = new Struct
            {
                Fields =
                {
                    ["sub"] = Value.ForString("spiffe://example.org/a"),
                    ["aud"] = Value.ForString("us"),
                    ["exp"] = Value.ForNumber(TimeProvider.System.GetUtcNow().AddMinutes(5).ToUnixTimeSeconds()),
                    ["odd"] = Value.ForStruct(new Struct { Fields = { ["none"] = new Value() } }),
                },
            },
        });
        var e = await Assert.ThrowsAsync<WorkloadApiException>(() => client.ValidateJwtSvidAsync("token", "us", Cancellation));
        Assert.Equal(WorkloadApiFailure.MalformedResponse, e.Failure);
        Assert.Contains("the claims of a validated token of spiffe://example.org/a hold something that is not JSON", e.Message, StringComparison.Ordinal);
    }

    private async Task AssertGoesOnAsync(X509Source source, X509SVIDResponse odd, Action look)
    {
        _api.Serve(odd);
        look();
        _api.Serve(_authority.Respond(_authority.Id("/3")));
        await X509SourceTests.Until(source, context => context.Default?.Id == _authority.Id("/3"));
    }

    // RFC 5915 with a named curve that has no name.
    private static byte[] KeyOnUnknownCurve()
    {
        var key = new AsnWriter(AsnEncodingRules.DER);
        using (key.PushSequence())
        {
            key.WriteInteger(1);
            key.WriteOctetString(new byte[32]);
        }

        var info = new AsnWriter(AsnEncodingRules.DER);
        using (info.PushSequence())
        {
            info.WriteInteger(0);
            using (info.PushSequence())
            {
                info.WriteObjectIdentifier("1.2.840.10045.2.1");
                info.WriteObjectIdentifier("1.3.6.1.4.1.99999.1");
            }

            info.WriteOctetString(key.Encode());
        }

        return info.Encode();
    }

    private sealed class FailingLogger : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => throw new InvalidTimeZoneException();

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            throw new InvalidTimeZoneException();
    }
}
