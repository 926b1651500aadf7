using System.Globalization;
using System.Text;
using Google.Protobuf.Reflection;
using Xunit;

namespace Identity.Tests.Protos;

/// <summary>Holds the retyped public contracts to the names and numbers of their sources, as written down in <see cref="PublicContractText"/>.</summary>
public sealed class PublicContractTests
{
    private static readonly FileDescriptor[] PublicFiles =
    [
        Istio.V1.Auth.CaReflection.Descriptor,
        Spiffe.Broker.BrokerReflection.Descriptor,
        Spiffe.WorkloadApi.V1.WorkloadReflection.Descriptor,
        Spire.Api.Server.Agent.V1.AgentReflection.Descriptor,
        Spire.Api.Server.Bundle.V1.BundleReflection.Descriptor,
        Spire.Api.Server.Entry.V1.EntryReflection.Descriptor,
        Spire.Api.Server.Svid.V1.SvidReflection.Descriptor,
        Spire.Api.Types.AgentReflection.Descriptor,
        Spire.Api.Types.AttestationReflection.Descriptor,
        Spire.Api.Types.BundleReflection.Descriptor,
        Spire.Api.Types.EntryReflection.Descriptor,
        Spire.Api.Types.FederateswithReflection.Descriptor,
        Spire.Api.Types.JointokenReflection.Descriptor,
        Spire.Api.Types.JwtsvidReflection.Descriptor,
        Spire.Api.Types.SelectorReflection.Descriptor,
        Spire.Api.Types.SpiffeidReflection.Descriptor,
        Spire.Api.Types.StatusReflection.Descriptor,
        Spire.Api.Types.WitsvidReflection.Descriptor,
        Spire.Api.Types.X509SvidReflection.Descriptor,
    ];

    [Fact]
    public void Public_contracts_keep_their_names_and_numbers()
    {
        var written = new StringBuilder();
        foreach (var file in PublicFiles) Write(written, file);
        Assert.Equal(PublicContractText.Pinned, written.ToString());
    }

    private static void Write(StringBuilder text, FileDescriptor file)
    {
        text.Append(CultureInfo.InvariantCulture, $"package {(file.Package.Length > 0 ? file.Package : "(none)")}\n");
        foreach (var service in file.Services)
        {
            foreach (var method in service.Methods)
            {
                text.Append(CultureInfo.InvariantCulture, $"rpc /{service.FullName}/{method.Name}({Stream(method.IsClientStreaming)}{method.InputType.FullName}) returns ({Stream(method.IsServerStreaming)}{method.OutputType.FullName})\n");
            }
        }

        foreach (var type in file.EnumTypes) Write(text, type);
        foreach (var type in file.MessageTypes) Write(text, type);
    }

    private static void Write(StringBuilder text, MessageDescriptor message)
    {
        foreach (var field in message.Fields.InDeclarationOrder())
        {
            var type = field.FieldType switch
            {
                FieldType.Message => field.MessageType.FullName,
                FieldType.Enum => field.EnumType.FullName,
                var plain => plain.ToString().ToLowerInvariant(),
            };
            var label = field.IsRepeated ? "repeated " : field.RealContainingOneof is { } oneof ? $"oneof {oneof.Name} " : field.HasPresence && field.FieldType is not FieldType.Message ? "optional " : "";
            text.Append(CultureInfo.InvariantCulture, $"{message.FullName}.{field.Name} = {field.FieldNumber} {label}{type}\n");
        }

        foreach (var type in message.EnumTypes) Write(text, type);
        foreach (var type in message.NestedTypes) Write(text, type);
    }

    private static void Write(StringBuilder text, EnumDescriptor type)
    {
        foreach (var value in type.Values) text.Append(CultureInfo.InvariantCulture, $"{type.FullName}.{value.Name} = {value.Number}\n");
    }

    private static string Stream(bool isStream) => isStream ? "stream " : "";
}
