namespace Identity.Fuzzing;

/// <summary>One door that strangers' bytes come through.</summary>
/// <param name="Run">Feeds the bytes to it, says whether they were let in, and throws when an <see cref="Invariant"/> breaks.</param>
/// <param name="Seeds">Inputs to start from, by file name: each reaches some part that random bytes would not.</param>
internal sealed record FuzzTarget(string Name, Func<byte[], bool> Run, Func<IEnumerable<(string Name, byte[] Bytes)>> Seeds)
{
    /// <summary>Bytes. afl-fuzz makes longer inputs than any door admits; past this they teach nothing.</summary>
    public const int MaxInput = 64 * 1024;

    public static readonly IReadOnlyList<FuzzTarget> All =
    [
        new("spiffe-id", SpiffeIdTarget.Run, SpiffeIdTarget.Seeds),
        new("certificate", CertificateTarget.Run, CertificateTarget.Seeds),
        new("jwt", JwtTarget.Run, JwtTarget.Seeds),
        new("bundle", BundleTarget.Run, BundleTarget.Seeds),
        new("csr", CsrTarget.Run, CsrTarget.Seeds),
        new("component", ComponentTarget.Run, ComponentTarget.Seeds),
        new("signatures", SignaturesTarget.Run, SignaturesTarget.Seeds),
    ];

    public static FuzzTarget? Find(string name) => All.FirstOrDefault(target => target.Name == name);
}
