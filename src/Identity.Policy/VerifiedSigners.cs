using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>Whether a signature over the message verifies under an Ed25519 public key (RFC 8032 §5.1.7). Keys of small order and encodings that are not the one of their point must not.</summary>
public delegate bool SignatureCheck(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature);

/// <summary>
/// Who signed a component, of the keys that a policy names. Keys are tried when they are asked for the first time, so that a policy that names a new one
/// is decided by what the component carries. Safe to share between threads. Equal when it is about the same signatures.
/// </summary>
public sealed class VerifiedSigners : IEquatable<VerifiedSigners>
{
    // Of answers that are kept: those of the policy in force, and of one that is being tried or was before it.
    private const int MaxKept = 2 * CapabilityPolicy.MaxSignerKeys;

    private readonly ComponentSignatures _signatures;
    private readonly SignatureCheck _check;
    private readonly Func<int, bool>? _mayVerify;
    private Dictionary<SignerName, bool> _tried = [];
    private volatile bool _isBeyondShare;

    /// <param name="mayVerify">Asked before so many verifications, for whoever brought the component; while it says no, nobody can say who signed it. Null for no bound.</param>
    public VerifiedSigners(ComponentSignatures signatures, SignatureCheck check, Func<int, bool>? mayVerify = null) =>
        (_signatures, _check, _mayVerify) = (signatures, check, mayVerify);

    /// <summary>Nobody says anything about signatures.</summary>
    public static VerifiedSigners NotTold { get; } = new(ComponentSignatures.NotTold("nobody tells its signatures"), (_, _, _) => false);

    public ComponentSignatures Signatures => _signatures;

    /// <summary>Whether the newest answer would be another one a little later.</summary>
    public bool IsBeyondShare => _isBeyondShare;

    /// <summary>Why nobody can say who signed it; null when the newest answer said. Fit for a stranger.</summary>
    public string? Problem => IsBeyondShare ? "whoever brings it has had as many signatures tried as it may; a little later more are" : _signatures.Problem;

    /// <summary>The principal with its signers told, as far as one that asks for these keys and no others can make a difference; as it is when nobody can say who signed it.</summary>
    /// <param name="keys">As <see cref="CapabilityPolicy.SignerKeys"/>.</param>
    public Principal Tell(Principal principal, ImmutableArray<SignerName> keys) =>
        _signatures.Problem is null && Among(keys) is { IsDefault: false } proven
            ? principal.SignedBy(proven) with { SignatureNote = NoteOf(proven) }
            : principal with { SignatureNote = ReferenceEquals(this, NotTold) ? null : $"tells nobody who signed it: {Problem}" };

    /// <summary>Those of the keys under which a signature verifies; default while no more may be tried.</summary>
    public ImmutableArray<SignerName> Among(ImmutableArray<SignerName> keys)
    {
        var proven = Among(keys, _mayVerify);
        _isBeyondShare = proven.IsDefault;
        return proven;
    }

    /// <summary>
    /// Tries the keys on somebody else's account than that of whoever brought the component: afterwards <see cref="Among(ImmutableArray{SignerName})"/> knows them. False when that account
    /// does not allow it.
    /// </summary>
    /// <param name="mayVerify">Asked before so many verifications.</param>
    public bool TryLearn(ImmutableArray<SignerName> keys, Func<int, bool> mayVerify) => _signatures.Problem is not null || !Among(keys, mayVerify).IsDefault;

    private ImmutableArray<SignerName> Among(ImmutableArray<SignerName> keys, Func<int, bool>? mayVerify)
    {
        if (_signatures.IsEmpty || keys.IsDefaultOrEmpty) return [];
        // Never changed once it can be seen: whoever asks at the same time may try a key again.
        var tried = Volatile.Read(ref _tried);
        var untried = keys.Count(key => key.IsKey && !tried.ContainsKey(key));
        if (untried > 0 && tried.Count + keys.Length > MaxKept) (tried, untried) = ([], keys.Count(key => key.IsKey));
        if (untried > 0 && mayVerify is not null && !mayVerify(untried * _signatures.Signatures.Count)) return default;

        Dictionary<SignerName, bool>? more = null;
        var proven = ImmutableArray.CreateBuilder<SignerName>();
        foreach (var key in keys)
        {
            if (!(more ?? tried).TryGetValue(key, out var isProven))
            {
                more ??= new(tried);
                more[key] = isProven = IsProven(key);
            }

            if (isProven) proven.Add(key);
        }

        if (more is not null) Volatile.Write(ref _tried, more);
        return proven.DrainToImmutable();
    }

    public bool Equals(VerifiedSigners? other) => other is not null && _signatures.Equals(other._signatures);

    public override bool Equals(object? obj) => Equals(obj as VerifiedSigners);

    public override int GetHashCode() => _signatures.GetHashCode();

    private string NoteOf(ImmutableArray<SignerName> proven) =>
        _signatures.IsEmpty ? "carries no signature"
        : proven.IsEmpty ? "is signed with no key that policy names"
        : $"is signed by {string.Join(" and ", proven)}";

    private bool IsProven(SignerName key)
    {
        if (!key.IsKey) return false;
        Span<byte> publicKey = stackalloc byte[SignerName.KeySize];
        key.CopyKeyTo(publicKey);
        foreach (var signature in _signatures.Signatures)
        {
            if (_check(publicKey, _signatures.Message, signature)) return true;
        }

        return false;
    }
}
