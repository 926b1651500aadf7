using Wasmtime;

namespace Identity.Tests.WasmHost;

/// <summary>Guests written in the text format, as the smallest thing that shows one behaviour.</summary>
internal static class Guest
{
    public const string IdentityImport = """
        (import "wasmcloud:identity/store@0.0.1" (instance $identity
          (type $error' (variant (case "io" string) (case "not-found") (case "other" string)))
          (export "error" (type $error (eq $error')))
          (export "get" (func (param "audience" string) (result (result (option string) (error $error)))))))
        """;

    public const string MessagingImport = """
        (import "wasmcloud:messaging/consumer@0.2.0" (instance $messaging
          (type $message' (record (field "subject" string) (field "body" (list u8)) (field "reply-to" (option string))))
          (export "broker-message" (type $message (eq $message')))
          (export "publish" (func (param "msg" $message) (result (result (error string)))))))
        """;

    /// <summary>A memory of 100 pages and an allocator that never frees.</summary>
    private const string Memory = """
        (core module $memory
          (memory (export "memory") 100)
          (global $free (mut i32) (i32.const 8192))
          (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
            (global.get $free)
            (global.set $free (i32.add (global.get $free) (local.get 3)))))
        (core instance $memory (instantiate $memory))
        """;

    /// <summary>Text to binary. Only tests and the build of samples do this; a worker refuses text.</summary>
    public static byte[] Binary(string wat) => Module.ConvertText(wat);

    /// <summary>
    /// A component whose <c>run</c> has the given core code, which leaves the address of a <c>result&lt;string, string&gt;</c>: for example
    /// the function <c>$say</c> of a case (0 or 1), a text's address and its length.
    /// </summary>
    public static byte[] Running(string code, string imports = "", string lowered = "", string coreImports = "", string with = "", string module = "") =>
        Binary($"""
            (component
              {imports}
              {Memory}
              {lowered}
              (core module $main
                {coreImports}
                (import "memory" "memory" (memory 1))
                (data (i32.const 1024) "{new string('a', 30)}")
                {module}
                (func $say (param $case i32) (param $at i32) (param $length i32) (result i32)
                  (i32.store8 (i32.const 0) (local.get $case))
                  (i32.store (i32.const 4) (local.get $at))
                  (i32.store (i32.const 8) (local.get $length))
                  (i32.const 0))
                (func (export "run") (result i32) {code}))
              (core instance $main (instantiate $main {with} (with "memory" (instance $memory))))
              (func (export "run") (result (result string (error string)))
                (canon lift (core func $main "run")
                  (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
            """);

    /// <summary>Requests "aaa" of "aaa" and returns the body of the answer, or the error.</summary>
    public static byte[] Requesting() => Running(
        """
        (call $request (i32.const 1024) (i32.const 3) (i32.const 1024) (i32.const 3) (i32.const 5000) (i32.const 64))
        (if (result i32) (i32.load8_u (i32.const 64))
          (then (call $say (i32.const 1) (i32.load (i32.const 68)) (i32.load (i32.const 72))))
          (else (call $say (i32.const 0) (i32.load (i32.const 76)) (i32.load (i32.const 80)))))
        """,
        """
        (import "wasmcloud:messaging/consumer@0.2.0" (instance $messaging
          (type $message' (record (field "subject" string) (field "body" (list u8)) (field "reply-to" (option string))))
          (export "broker-message" (type $message (eq $message')))
          (export "request" (func (param "subject" string) (param "body" (list u8)) (param "timeout-ms" u32) (result (result $message (error string)))))))
        """,
        """
        (core func $request (canon lower (func $messaging "request")
          (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
        """,
        """(import "host" "request" (func $request (param i32 i32 i32 i32 i32 i32)))""",
        """(with "host" (instance (export "request" (func $request))))""");

    /// <summary>A command as WASI has it, whose <c>run</c> returns ok (0) or an error (1); and, when told, another <c>run</c> by itself, which traps.</summary>
    public static byte[] Command(int result = 0, bool alsoBare = false) => Binary($"""
        (component
          (core module $m
            (func (export "run") (result i32) (i32.const {result}))
            (func (export "trap") (result i32) unreachable))
          (core instance $i (instantiate $m))
          (func $run (result (result)) (canon lift (core func $i "run")))
          (instance $command (export "run" (func $run)))
          (export "wasi:cli/run@0.2.3" (instance $command))
          {(alsoBare ? """(func (export "run") (result (result)) (canon lift (core func $i "trap")))""" : "")})
        """);

    /// <summary>Says "aaa" and returns ok.</summary>
    public static byte[] Content() => Running("(call $say (i32.const 0) (i32.const 1024) (i32.const 3))");

    /// <summary>Asks for its token and returns it (or the text of the error) as its answer.</summary>
    public static byte[] AskingForItsToken() => Running(
        """
        (call $get (i32.const 1024) (i32.const 30) (i32.const 64))
        (call $say (i32.load8_u (i32.const 64)) (i32.load (i32.const 72)) (i32.load (i32.const 76)))
        """,
        IdentityImport,
        """
        (core func $get (canon lower (func $identity "get")
          (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
        """,
        """(import "host" "get" (func $get (param i32 i32 i32)))""",
        """(with "host" (instance (export "get" (func $get))))""");

    /// <summary>Publishes a body of zeros under "aaa" and returns the error, or ok with no text.</summary>
    public static byte[] Publishing(int bodyBytes) => Running(
        $"""
        (call $publish (i32.const 1024) (i32.const 3) (i32.const 16384) (i32.const {bodyBytes}) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
        (call $say (i32.load8_u (i32.const 64)) (i32.load (i32.const 68)) (i32.load (i32.const 72)))
        """,
        MessagingImport,
        """
        (core func $publish (canon lower (func $messaging "publish")
          (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
        """,
        """(import "host" "publish" (func $publish (param i32 i32 i32 i32 i32 i32 i32 i32)))""",
        """(with "host" (instance (export "publish" (func $publish))))""");
}
