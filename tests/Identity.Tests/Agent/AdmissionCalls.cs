// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using System.Text;
using Google.Protobuf;
using Grpc.Core;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>A host with one component, how it asks to start it, and what lets it.</summary>
internal static class AdmissionCalls
{
    public const string Sockets = "wasi:sockets/tcp@0.2.0";
    public const string Messaging = "wasmcloud:messaging/consumer@0.2.0";
    public const string Greeter = "spiffe://example.org/components/greeter";

    public static FakeControlPlane PlaneWithHost(TimeProvider time)
    {
        var plane = new FakeControlPlane(time);
        plane.Entry("host", Host.ToString(), "spiffe://example.org/nodes/local", OwnUid);
        plane.Entry("component", Greeter, Host.ToString(), "wasm:name:greeter");
        return plane;
    }

    public static string Grant(params string[] imports) =>
        "kind: CapabilityPolicy\nname: sample\nrules:\n  - name: one\n    effect: permit\n    subjects:\n      - spiffeId: " + Greeter
        + "\n    capabilities:\n" + string.Concat(imports.Select(i => $"      - import: {i}\n"));

    // A component that is nothing but imports: one empty instance type (section 7), imported under each name (section 10).
    public static byte[] Component(params string[] imports)
    {
        var section = new MemoryStream();
        section.WriteByte((byte)imports.Length);
        foreach (var name in imports.Select(Encoding.UTF8.GetBytes))
        {
            section.Write([0, (byte)name.Length, .. name, 5, 0]);
        }

        return [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 7, 3, 1, 0x42, 0, 10, (byte)section.Length, .. section.ToArray()];
    }

    public static V1.AdmitRequest Chunk(byte[] bytes) => new() { Chunk = ByteString.CopyFrom(bytes) };

    public static async Task<AsyncDuplexStreamingCall<V1.AdmitRequest, V1.AdmitResponse>> AdmitAsync(
        RunningAgent agent, FakeControlPlane plane, string name, byte[] component, params string[] calls)
    {
        var call = new V1.Admission.AdmissionClient(agent.BrokerChannel(plane.SvidOf(Host))).Admit(BrokerHeader);
        var header = Header(name, component.Length);
        header.Header.Calls.Add(calls);
        await call.RequestStream.SendAllAsync(header, Chunk(component));
        return call;
    }

    public static V1.AdmitRequest Header(string name, long size) => Header(name, (ulong)size);

    public static V1.AdmitRequest Header(string name, ulong size) => new() { Header = new V1.AdmitHeader { Name = name, Size = size } };
}
