;; snooper: asks for sockets, which nothing grants at first. Once granted, it says so on NATS and stays.
;;
;; world snooper {
;;   import wasi:sockets/tcp@0.2.0;              // of it, the resource tcp-socket and one method
;;   import wasmcloud:messaging/consumer@0.2.0;
;;   export run: func() -> result<string, string>;
;; }
(component
  (import "wasi:sockets/tcp@0.2.0" (instance $tcp
    (export "tcp-socket" (type $socket (sub resource)))
    (export "[method]tcp-socket.is-listening" (func (param "self" (borrow $socket)) (result bool)))))

  (import "wasmcloud:messaging/consumer@0.2.0" (instance $messaging
    (type $message' (record (field "subject" string) (field "body" (list u8)) (field "reply-to" (option string))))
    (export "broker-message" (type $message (eq $message')))
    (export "publish" (func (param "msg" $message) (result (result (error string)))))))

  (core module $memory
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $free) (i32.const 65536)) (then unreachable))
      (memory.copy (local.get $at) (local.get $old) (local.get $old-size))
      (local.get $at)))
  (core instance $memory (instantiate $memory))

  (core func $is-listening (canon lower (func $tcp "[method]tcp-socket.is-listening")))
  (core func $publish (canon lower (func $messaging "publish")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))

  (core module $main
    (import "host" "is-listening" (func $is-listening (param i32) (result i32)))
    (import "host" "publish" (func $publish (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "memory" "memory" (memory 1))

    (data (i32.const 1024) "snooper.ready")               ;; 13 bytes
    (data (i32.const 1040) "sockets are linked, NATS is connected, I stay")  ;; 45 bytes

    (func (export "run") (result i32)
      (call $publish
        (i32.const 1024) (i32.const 13)
        (i32.const 1024) (i32.const 13)
        (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 64))
      ;; result<string, string> at 0; the refusal of the publish, or that all is well.
      (if (i32.load8_u (i32.const 64))
        (then
          (i32.store8 (i32.const 0) (i32.const 1))
          (i32.store (i32.const 4) (i32.load (i32.const 68)))
          (i32.store (i32.const 8) (i32.load (i32.const 72)))
          (return (i32.const 0))))
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (i32.const 1040))
      (i32.store (i32.const 8) (i32.const 45))
      (i32.const 0)))
  (core instance $main (instantiate $main
    (with "host" (instance (export "is-listening" (func $is-listening)) (export "publish" (func $publish))))
    (with "memory" (instance $memory))))

  (func (export "run") (result (result string (error string)))
    (canon lift (core func $main "run")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
