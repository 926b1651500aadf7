namespace Identity.Policy;

/// <summary>What may be done with a JetStream stream, by meaning.</summary>
[Flags]
public enum StreamAccess
{
    None = 0,

    /// <summary>Look at its configuration and state.</summary>
    Info = 1,

    /// <summary>Fetch single messages.</summary>
    Read = 2,

    /// <summary>Read it through consumers of one's own.</summary>
    Consume = 4,

    /// <summary>Delete messages.</summary>
    Purge = 8,

    /// <summary>Create, change and delete the stream.</summary>
    Manage = 16,
}

/// <summary>What may be done with one durable consumer of a stream.</summary>
[Flags]
public enum ConsumerAccess
{
    None = 0,

    /// <summary>Look at its configuration and state.</summary>
    Info = 1,

    /// <summary>Fetch its messages, acknowledge them, and see its state.</summary>
    Consume = 2,

    /// <summary>Create, change and delete it.</summary>
    Manage = 4,
}

/// <summary>What may be done with the keys of a key-value bucket.</summary>
[Flags]
public enum BucketAccess
{
    None = 0,

    Read = 1,

    /// <summary>Put, delete and purge.</summary>
    Write = 2,

    /// <summary>Be told of changes.</summary>
    Watch = 4,

    /// <summary>Create, change and delete the bucket, which is all its keys.</summary>
    Manage = 8,
}
