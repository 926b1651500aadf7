namespace Identity.Testing.Platform;

/// <summary>A policy, and each of its words with a letter in it that only looks like the one that stands there: tried at the parser, and by whoever may write policy.</summary>
public static class LookAlikes
{
    public const string Policy = """
        kind: CapabilityPolicy
        name: p
        rules:
          - name: r
            effect: permit
            reason: why not
            subjects: [{ spiffeId: spiffe://example.org/a, labels: { team: shop } }]
            capabilities:
              - import: wasi:io/poll@0.2.0
              - natsPublish: orders.new
              - { stream: ORDERS, access: [read] }
              - connect: api.example.com:443
              - config: db/host
              - audience: https://vault.example.com
              - mount: /var/data
        """;

    /// <summary>What stands in <see cref="Policy"/>, and what is put there instead: Cyrillic, Greek, fullwidth, a Kelvin sign, invisible joiners, a direction override, Arabic digits.</summary>
    public static IEnumerable<(string Right, string Wrong)> All =>
    [
        ("name: p", "name: \u0440"),
        ("name: r", "name: r\u200d"),
        ("effect: permit", "effect: perm\u0456t"),
        ("effect: permit", "effec\u0442: permit"),
        ("spiffe://example.org/a", "spiffe://ex\u0430mple.org/a"),
        ("spiffe://example.org/a", "spiffe://example.org/\u0430"),
        ("wasi:io/poll@0.2.0", "w\u0430si:io/poll@0.2.0"),
        ("wasi:io/poll@0.2.0", "wasi:io/poll@0.\uff12.0"),
        ("orders.new", "orders.n\u0435w"),
        ("api.example.com:443", "api.example.\u0441om:443"),
        ("api.example.com:443", "\u212aapi.example.com:443"),
        ("api.example.com:443", "api.example.com:\u0664\u0664\u0663"),
        ("db/host", "db\u2215host"),
        ("https://vault.example.com", "https://v\u0430ult.example.com"),
        ("/var/data", "/var/d\u0430ta"),
        ("ORDERS", "ORD\u0415RS"),
        ("team: shop", "team: sh\u043ep"),
        ("reason: why not", "reason: why \u202eton"),
    ];
}
