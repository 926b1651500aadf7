namespace Identity.Tests.Cli;

/// <summary>A component as small as one can be that imports a function and exports one.</summary>
internal static class ProbeComponent
{
    // (component (import "acme:probe/store@1.0.0" (instance (export "get" (func)))) (alias export 0 "get" (func)) (export "run" (func 0)))
    public static byte[] Bytes =>
    [
        0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00,
        // types: an instance type of one function type and one export
        .. Section(0x07, [0x01, 0x42, 0x02, 0x01, 0x40, 0x00, 0x01, 0x00, 0x04, 0x00, .. Name("get"), 0x01, 0x00]),
        .. Section(0x0a, [0x01, 0x00, .. Name("acme:probe/store@1.0.0"), 0x05, 0x00]),
        .. Section(0x06, [0x01, 0x01, 0x00, 0x00, .. Name("get")]),
        .. Section(0x0b, [0x01, 0x00, .. Name("run"), 0x01, 0x00, 0x00]),
    ];

    private static byte[] Name(string text) => [(byte)text.Length, .. System.Text.Encoding.ASCII.GetBytes(text)];

    private static byte[] Section(byte id, byte[] content) => [id, (byte)content.Length, .. content];
}
