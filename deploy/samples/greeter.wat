;; greeter: fetches its own identity, greets with it, then tries what it may not do.
;;
;; world greeter {
;;   import wasmcloud:identity/store@0.0.1;
;;   import wasmcloud:messaging/consumer@0.2.0;
;;   export run: func() -> result<string, string>;
;; }
;;
;; The body of `greetings.hello` is the greeter's JWT-SVID for the audience spiffe://example.org/listener: whoever receives it can
;; verify from whom it came, and can use it nowhere else.
(component
  (import "wasmcloud:identity/store@0.0.1" (instance $identity
    (type $error' (variant (case "io" string) (case "not-found") (case "other" string)))
    (export "error" (type $error (eq $error')))
    (export "get" (func (param "audience" string) (result (result (option string) (error $error)))))))

  (import "wasmcloud:messaging/consumer@0.2.0" (instance $messaging
    (type $message' (record (field "subject" string) (field "body" (list u8)) (field "reply-to" (option string))))
    (export "broker-message" (type $message (eq $message')))
    (export "publish" (func (param "msg" $message) (result (result (error string)))))))

  (core module $memory
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 8192))
    ;; Hands out memory and never takes it back: the guest runs once.
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $free) (i32.const 131072)) (then unreachable))
      (memory.copy (local.get $at) (local.get $old) (local.get $old-size))
      (local.get $at)))
  (core instance $memory (instantiate $memory))

  (core func $get (canon lower (func $identity "get")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $publish (canon lower (func $messaging "publish")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))

  (core module $main
    (import "host" "get" (func $get (param i32 i32 i32)))
    (import "host" "publish" (func $publish (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "memory" "memory" (memory 2))

    (data (i32.const 1024) "spiffe://example.org/listener")                       ;; 29 bytes
    (data (i32.const 1088) "greetings.hello")                                     ;; 15 bytes
    (data (i32.const 1120) "payroll.salaries")                                    ;; 16 bytes
    (data (i32.const 1152) "a raise for everyone")                                ;; 20 bytes
    (data (i32.const 1200) "payroll.salaries was taken")                          ;; 26 bytes
    (data (i32.const 1248) "this component has no identity")                      ;; 30 bytes
    (data (i32.const 1312) "greeted as myself; payroll.salaries was refused: ")  ;; 49 bytes

    ;; Writes result<string, string> at 0: 0 is ok, 1 is error.
    (func $answer (param $case i32) (param $text i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 0) (local.get $case))
      (i32.store (i32.const 4) (local.get $text))
      (i32.store (i32.const 8) (local.get $length))
      (i32.const 0))

    (func (export "run") (result i32)
      ;; 1. My own identity, at 64: result<option<string>, error>. Ok(some(token)) is 0 at +0 and 1 at +4; text at +8, length at +12.
      (call $get (i32.const 1024) (i32.const 29) (i32.const 64))
      (if (i32.load8_u (i32.const 64))
        (then
          ;; The case not-found (1) has no text.
          (if (i32.eq (i32.load8_u (i32.const 68)) (i32.const 1))
            (then (return (call $answer (i32.const 1) (i32.const 1248) (i32.const 30)))))
          (return (call $answer (i32.const 1) (i32.load (i32.const 72)) (i32.load (i32.const 76))))))
      (if (i32.eqz (i32.load8_u (i32.const 68)))
        (then (return (call $answer (i32.const 1) (i32.const 1248) (i32.const 30)))))

      ;; 2. The greeting, result<_, string> at 96: error is 1 at +0, text at +4, length at +8.
      (call $publish
        (i32.const 1088) (i32.const 15)
        (i32.load (i32.const 72)) (i32.load (i32.const 76))
        (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 96))
      (if (i32.load8_u (i32.const 96))
        (then (return (call $answer (i32.const 1) (i32.load (i32.const 100)) (i32.load (i32.const 104))))))

      ;; 3. What it may not do, result at 128; the refusal is what success looks like here.
      (call $publish
        (i32.const 1120) (i32.const 16)
        (i32.const 1152) (i32.const 20)
        (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 128))
      (if (i32.eqz (i32.load8_u (i32.const 128)))
        (then (return (call $answer (i32.const 1) (i32.const 1200) (i32.const 26)))))
      (memory.copy (i32.const 2048) (i32.const 1312) (i32.const 49))
      (memory.copy (i32.const 2097) (i32.load (i32.const 132)) (i32.load (i32.const 136)))
      (call $answer (i32.const 0) (i32.const 2048) (i32.add (i32.const 49) (i32.load (i32.const 136))))))
  (core instance $main (instantiate $main
    (with "host" (instance (export "get" (func $get)) (export "publish" (func $publish))))
    (with "memory" (instance $memory))))

  (func (export "run") (result (result string (error string)))
    (canon lift (core func $main "run")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
