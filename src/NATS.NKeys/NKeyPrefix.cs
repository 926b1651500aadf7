namespace NATS.NKeys;

/// <summary>What a key is for: the first byte of its text form, and so its first letter.</summary>
public enum NKeyPrefix : byte
{
    /// <summary>A...: signs user claims.</summary>
    Account = 0,

    /// <summary>C...</summary>
    Cluster = 2 << 3,

    /// <summary>N...: a nats-server, made anew each time it starts.</summary>
    Server = 13 << 3,

    /// <summary>O...: signs account claims.</summary>
    Operator = 14 << 3,

    /// <summary>U...</summary>
    User = 20 << 3,

    /// <summary>X...: X25519, seals and opens; cannot sign.</summary>
    Curve = 23 << 3,
}
