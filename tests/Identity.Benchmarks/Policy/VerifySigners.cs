using System.Collections.Immutable;
using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Identity.Policy;
using Identity.Testing.Components;

namespace Identity.Benchmarks.Policy;

/// <summary>What does a signature add to a start, and what does a policy with many keys add to a signature? The floor is the digest, which every start computes.</summary>
[MemoryDiagnoser]
public class VerifySigners
{
    private byte[] _component = [];
    private ImmutableArray<SignerName> _keys = [];
    private ComponentSignatures _signatures = ComponentSignatures.None;
    private VerifiedSigners _asked = VerifiedSigners.NotTold;

    [Params(1, CapabilityPolicy.MaxSignerKeys)]
    public int Keys { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        using var signer = new ComponentSigner();
        _component = SignatureWriter.Sign(new ComponentWriter().Section(0, [.. ComponentWriter.Text("x"), .. RandomNumberGenerator.GetBytes(1 << 20)]).ToArray(), signer);
        _keys = [.. Enumerable.Range(1, Keys - 1).Select(_ => NewName()), SignerName.Parse(signer.Name)];
        _signatures = ComponentSignatures.Read(_component);
        _asked = new VerifiedSigners(_signatures, ComponentSigner.Verify);
        if (AskAgain() != 1) throw new InvalidOperationException("the signature is not the one that is measured");
    }

    [Benchmark(Baseline = true, Description = "floor: SHA-256 of the component, 1 MiB")]
    public byte[] Digest() => SHA256.HashData(_component);

    [Benchmark(Description = "read its signatures")]
    public ComponentSignatures Read() => ComponentSignatures.Read(_component);

    [Benchmark(Description = "try all keys")]
    public int Verify() => new VerifiedSigners(_signatures, ComponentSigner.Verify).Among(_keys).Length;

    [Benchmark(Description = "ask again, as each later policy does")]
    public int AskAgain() => _asked.Among(_keys).Length;

    private static SignerName NewName()
    {
        using var other = new ComponentSigner();
        return SignerName.Parse(other.Name);
    }
}
