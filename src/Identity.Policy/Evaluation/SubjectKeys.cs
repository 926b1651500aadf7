namespace Identity.Policy.Evaluation;

/// <summary>
/// Numbers whom rules mean, each clause under its most telling attribute. A forbid has a second number, under which it is found when the door
/// cannot tell that attribute.
/// </summary>
internal sealed class SubjectKeys
{
    private readonly KeyNumbers _numbers = new();
    private readonly KeySpace _ids;
    private readonly KeySpace _idPrefixes;
    private readonly KeySpace _digests;
    private readonly KeySpace _signers;
    private readonly KeySpace _repositories;
    private readonly KeySpace _imagePrefixes;
    private readonly KeySpace _hosts;
    private readonly KeySpace _hostPrefixes;
    private readonly KeySpace _namespaces;
    private readonly KeySpace _lattices;
    private readonly int _digestUntold;
    private readonly int _keyUntold;
    private readonly int _nameUntold;
    private readonly int _imageUntold;
    private readonly int _hostUntold;
    private readonly int _namespaceUntold;
    private readonly int _latticeUntold;

    public SubjectKeys()
    {
        (_ids, _idPrefixes, _digests, _signers, _repositories) = (New(), New(), New(), New(), New());
        (_imagePrefixes, _hosts, _hostPrefixes, _namespaces, _lattices) = (New(), New(), New(), New(), New());
        (_digestUntold, _keyUntold, _nameUntold, _imageUntold) = (_numbers.Next(), _numbers.Next(), _numbers.Next(), _numbers.Next());
        (_hostUntold, _namespaceUntold, _latticeUntold) = (_numbers.Next(), _numbers.Next(), _numbers.Next());
    }

    /// <param name="subject">Label-free, and states something.</param>
    /// <returns>The second number is zero when the attribute is always told.</returns>
    public (int Key, int WhenUntold) Of(PolicySubject subject)
    {
        if (subject.SpiffeId is { } id) return (_ids.KeyOf(id.ToString()), 0);
        if (subject.Digest is { } digest) return (_digests.KeyOf(digest.Text), _digestUntold);
        if (subject.Image is { } image) return (_repositories.KeyOf(image.Repository), _imageUntold);
        if (subject.Signer is { } signer) return (_signers.KeyOf(signer.Text), signer.IsKey ? _keyUntold : _nameUntold);
        if (subject.SpiffeIdPrefix is { } prefix) return (_idPrefixes.KeyOf(prefix.Text), 0);
        if (subject.Host is { } host) return (_hosts.KeyOf(host.ToString()), _hostUntold);
        if (subject.ImagePrefix is { } images) return (_imagePrefixes.KeyOf(images.Text), _imageUntold);
        if (subject.Namespace is { } name) return (_namespaces.KeyOf(name), _namespaceUntold);
        if (subject.HostPrefix is { } hosts) return (_hostPrefixes.KeyOf(hosts.Text), _hostUntold);
        return (_lattices.KeyOf(subject.Lattice!), _latticeUntold);
    }

    /// <summary>Every number under which a clause about the principal may be.</summary>
    public void Find(Principal principal, ref KeySet found)
    {
        var id = principal.Id.ToString();
        _ids.Find(id, ref found);
        _idPrefixes.FindBeginnings(id, SpiffeIdStart, '/', withSeparator: false, ref found);
        var unknown = principal.Unknown;
        if ((unknown & PrincipalAttributes.Digest) != 0) found.Add(_digestUntold);
        else if (principal.Digest is { } digest) _digests.Find(digest.Text, ref found);

        if ((unknown & PrincipalAttributes.Signer) != 0)
        {
            found.Add(_keyUntold);
            found.Add(_nameUntold);
        }
        else
        {
            if ((unknown & PrincipalAttributes.NamedSigner) != 0) found.Add(_nameUntold);
            if (!principal.Signers.IsDefault)
            {
                foreach (var signer in principal.Signers) _signers.Find(signer.Text, ref found);
            }
        }

        if ((unknown & PrincipalAttributes.Image) != 0)
        {
            found.Add(_imageUntold);
        }
        else if (principal.Image is { } image)
        {
            _repositories.Find(image.Repository, ref found);
            _imagePrefixes.FindBeginnings(image.Repository, 0, '/', withSeparator: false, ref found);
        }

        if ((unknown & PrincipalAttributes.Host) != 0)
        {
            found.Add(_hostUntold);
        }
        else if (principal.Host is { } host)
        {
            _hosts.Find(host.ToString(), ref found);
            _hostPrefixes.FindBeginnings(host.ToString(), SpiffeIdStart, '/', withSeparator: false, ref found);
        }

        if ((unknown & PrincipalAttributes.Namespace) != 0) found.Add(_namespaceUntold);
        else if (principal.Namespace is { } name) _namespaces.Find(name, ref found);
        if ((unknown & PrincipalAttributes.Lattice) != 0) found.Add(_latticeUntold);
        else if (principal.Lattice is { } lattice) _lattices.Find(lattice, ref found);
    }

    // Behind the scheme: the first beginning is the trust domain.
    private static int SpiffeIdStart => "spiffe://".Length;

    private KeySpace New() => new(_numbers);
}
