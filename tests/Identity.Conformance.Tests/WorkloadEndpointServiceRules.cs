using System.Text.RegularExpressions;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>SPIFFE Workload Endpoint §§2, 3 and 7, Workload API §3: where the shipped agent listens, and what it says it serves there.</summary>
public sealed partial class WorkloadEndpointServiceRules(AgentFixture agent)
{
    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(bytes => bytes, bytes => bytes);

    // workloadapi.proto of spiffe/spiffe, a line for each RPC and for each field.
    private static readonly string[] Published =
    [
        "FetchX509SVID X509SVIDRequest stream X509SVIDResponse",
        "FetchX509Bundles X509BundlesRequest stream X509BundlesResponse",
        "FetchJWTSVID JWTSVIDRequest JWTSVIDResponse",
        "FetchJWTBundles JWTBundlesRequest stream JWTBundlesResponse",
        "ValidateJWTSVID ValidateJWTSVIDRequest ValidateJWTSVIDResponse",
        "FetchWITSVID WITSVIDRequest stream WITSVIDResponse",
        "FetchWITBundles WITBundlesRequest stream WITBundlesResponse",
        "X509SVIDResponse.svids = 1 repeated X509SVID",
        "X509SVIDResponse.crl = 2 repeated Bytes",
        "X509SVIDResponse.federated_bundles = 3 map Bytes",
        "X509SVID.spiffe_id = 1 String",
        "X509SVID.x509_svid = 2 Bytes",
        "X509SVID.x509_svid_key = 3 Bytes",
        "X509SVID.bundle = 4 Bytes",
        "X509SVID.hint = 5 String",
        "X509BundlesResponse.crl = 1 repeated Bytes",
        "X509BundlesResponse.bundles = 2 map Bytes",
        "JWTSVIDRequest.audience = 1 repeated String",
        "JWTSVIDRequest.spiffe_id = 2 String",
        "JWTSVIDResponse.svids = 1 repeated JWTSVID",
        "JWTSVID.spiffe_id = 1 String",
        "JWTSVID.svid = 2 String",
        "JWTSVID.hint = 3 String",
        "JWTBundlesResponse.bundles = 1 map Bytes",
        "ValidateJWTSVIDRequest.audience = 1 String",
        "ValidateJWTSVIDRequest.svid = 2 String",
        "ValidateJWTSVIDResponse.spiffe_id = 1 String",
        "ValidateJWTSVIDResponse.claims = 2 google.protobuf.Struct",
        "WITSVIDRequest.spiffe_id = 1 String",
        "WITSVIDResponse.svids = 1 repeated WITSVID",
        "WITSVID.spiffe_id = 1 String",
        "WITSVID.wit_svid = 2 String",
        "WITSVID.wit_svid_key = 3 String",
        "WITSVID.hint = 4 String",
        "WITBundlesResponse.bundles = 1 map String",
    ];

    private static readonly Metadata Header = new() { { "workload.spiffe.io", "true" } };

    [GeneratedRegex(@"socket:\[(\d+)\]")]
    private static partial Regex SocketLink();

    [Fact]
    [Trait(Rule.Trait, "WLEP-01")]
    [Trait(Rule.Trait, "WLEP-02")]
    public async Task The_agent_listens_on_Unix_sockets_alone()
    {
        var platform = await agent.PlatformAsync();
        var pid = platform.Processes.Single(process => process.Name == "identity-agent").Id;
        var sockets = Directory.GetFiles($"/proc/{pid}/fd")
            .Select(file => SocketLink().Match(File.ResolveLinkTarget(file, returnFinalTarget: false)?.Name ?? ""))
            .Where(link => link.Success).Select(link => link.Groups[1].Value).ToHashSet();
        Assert.NotEmpty(sockets);
        // proc(5): the fourth field of a line is the state, 0A is LISTEN; the tenth is the inode.
        var listening = "tcp tcp6".Split(' ').SelectMany(kind => File.ReadLines($"/proc/{pid}/net/{kind}").Skip(1))
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields[3] == "0A" && sockets.Contains(fields[9]));
        Assert.Empty(listening);
        Assert.True(File.Exists(platform.WorkloadSocket));
    }

    [Fact]
    [Trait(Rule.Trait, "WLEP-04")]
    [Trait(Rule.Trait, "WLEP-15")]
    [Trait(Rule.Trait, "WLEP-16")]
    [Trait(Rule.Trait, "WLAPI-03")]
    [Trait(Rule.Trait, "WLAPI-04")]
    public async Task Reflection_tells_of_the_Workload_API_as_it_was_published()
    {
        // Workload Endpoint §3: every request has the header, this one too.
        var refused = await Assert.ThrowsAsync<RpcException>(() => ReflectAsync(7, "*", new Metadata()));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);

        // server_reflection.proto: list_services = 7, list_services_response = 6; file_containing_symbol = 4, file_descriptor_response = 4.
        var services = Fields(Assert.Single(Fields(await ReflectAsync(7, "*"), 6)), 1).SelectMany(service => Fields(service, 1)).Select(name => ByteString.CopyFrom(name).ToStringUtf8());
        Assert.Equal("SpiffeWorkloadAPI", Assert.Single(services, name => name.Contains("Workload", StringComparison.Ordinal)));

        var files = Fields(Assert.Single(Fields(await ReflectAsync(4, "SpiffeWorkloadAPI"), 4)), 1).Select(FileDescriptorProto.Parser.ParseFrom);
        var file = files.Single(candidate => candidate.Service.Any(service => service.Name == "SpiffeWorkloadAPI"));
        Assert.Equal("", file.Package);
        Assert.Equal("proto3", file.Syntax);
        Assert.Equal(Published.Order(StringComparer.Ordinal), Describe(file).Order(StringComparer.Ordinal));
    }

    private static IEnumerable<string> Describe(FileDescriptorProto file) =>
        file.Service.Single().Method
            .Select(method => $"{method.Name} {method.InputType.TrimStart('.')} {(method.ServerStreaming ? "stream " : "")}{method.OutputType.TrimStart('.')}")
            .Concat(file.MessageType.SelectMany(message => message.Field.Select(field => $"{message.Name}.{field.Name} = {field.Number} {TypeOf(message, field)}")));

    private static string TypeOf(DescriptorProto message, FieldDescriptorProto field)
    {
        var type = field.Type is FieldDescriptorProto.Types.Type.Message ? field.TypeName.TrimStart('.') : field.Type.ToString();
        var map = message.NestedType.FirstOrDefault(nested => nested.Options is { MapEntry: true } && field.TypeName.EndsWith($".{message.Name}.{nested.Name}", StringComparison.Ordinal));
        if (map is not null) return $"map {map.Field.Single(value => value.Number == 2).Type}";
        return field.Label is FieldDescriptorProto.Types.Label.Repeated ? $"repeated {type}" : type;
    }

    private async Task<byte[]> ReflectAsync(int question, string name, Metadata? headers = null)
    {
        var method = new Method<byte[], byte[]>(MethodType.DuplexStreaming, "grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", Bytes, Bytes);
        var cancellation = TestContext.Current.CancellationToken;
        using var channel = AgentFixture.Channel(await agent.PlatformAsync());
        using var call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(method, null, new CallOptions(headers ?? Header, cancellationToken: cancellation));
        var text = System.Text.Encoding.UTF8.GetBytes(name);
        await call.RequestStream.WriteAsync([(byte)((question << 3) | 2), (byte)text.Length, .. text], cancellation);
        Assert.True(await call.ResponseStream.MoveNext(cancellation));
        return call.ResponseStream.Current;
    }

    /// <summary>The values of a length-delimited field; reflection's own messages are in a package that only the agent needs.</summary>
    private static List<byte[]> Fields(byte[] message, int number)
    {
        var input = new CodedInputStream(message);
        var values = new List<byte[]>();
        for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (tag == WireFormat.MakeTag(number, WireFormat.WireType.LengthDelimited)) values.Add(input.ReadBytes().ToByteArray());
            else input.SkipLastField();
        }

        return values;
    }
}
