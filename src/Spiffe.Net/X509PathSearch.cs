namespace Spiffe.Net;

/// <summary>
/// Looks for a path from a leaf through what the peer sent to an authority of the bundle and holds it to RFC 5280 §6.1, with nothing but what it was given: no
/// I/O, no clock, no more than <see cref="MaxSteps"/> signatures. Steps back from a certificate that leads nowhere, so cross-signed ones find their way.
/// </summary>
/// <remarks>
/// Not processed, and so refused where critical or restricting: policies (§6.1.3 d-f). Not asked: revocation. Trust anchors are held to their own
/// validity, constraints and key usage as well, which §6.1.1 d leaves open. An authority of the bundle that is not self-signed is as good an anchor as one that is:
/// X509-SVID §6.1 only recommends self-signed ones.
/// </remarks>
internal sealed class X509PathSearch(X509TrustAnchors anchors, IReadOnlyList<SigningCertificate> sent, DateTimeOffset now)
{
    /// <summary>Signatures looked at for one leaf; a straight path of the greatest length needs seven.</summary>
    public const int MaxSteps = 16;

    // Names against subtrees, over the whole path.
    private const int MaxNameComparisons = 16 * 1024;

    private readonly List<SigningCertificate> _path = new(X509SvidVerifier.MaxChainLength);
    private int _steps;
    private string? _problem;

    /// <summary>From the leaf's issuer to the authority of the bundle, once found.</summary>
    public IReadOnlyList<SigningCertificate> Path => _path;

    /// <summary>The signatures that were looked at.</summary>
    public int Steps => _steps;

    /// <returns>Null when there is a path; else the first thing that was wrong with a certificate that could have been in one.</returns>
    public string? FindProblem(CertificateFields leaf)
    {
        // RFC 5280 §3.2: a certificate that names itself as issuer is its own authority, and no authority is an SVID's leaf.
        if (leaf.IsSelfIssued) return "the certificate is self-issued, not signed by an authority";
        return Extend(leaf, null, leaf) ? null : _problem ?? "the chain does not end at an authority of its trust domain's bundle";
    }

    private bool Extend(CertificateFields child, SigningCertificate? known, CertificateFields leaf)
    {
        // RFC 4158 §3.5.12: key identifiers only say whom to try first. Anchors before intermediates: the shortest path wins.
        for (var pass = 0; pass < 2; pass++)
        {
            foreach (var anchor in anchors.All)
            {
                if (IsNextIn(pass, child, anchor) && CanSign(child, known, anchor) && IsWholePath(anchor, leaf)) return true;
            }

            foreach (var intermediate in sent)
            {
                if (!IsNextIn(pass, child, intermediate) || !CanSign(child, known, intermediate)) continue;
                _path.Add(intermediate);
                if (Extend(intermediate.Fields, intermediate, leaf)) return true;
                _path.RemoveAt(_path.Count - 1);
            }
        }

        return false;
    }

    private static bool IsNextIn(int pass, CertificateFields child, SigningCertificate issuer)
    {
        // RFC 5280 §6.1.3 (a)(4): names chain.
        if (!child.Issuer.Span.SequenceEqual(issuer.Fields.Subject.Span)) return false;
        var (wanted, found) = (child.AuthorityKeyIdentifier, issuer.Fields.SubjectKeyIdentifier);
        var mayBe = wanted.IsEmpty || found.IsEmpty || wanted.Span.SequenceEqual(found.Span);
        return mayBe == (pass == 0);
    }

    private bool CanSign(CertificateFields child, SigningCertificate? known, SigningCertificate issuer)
    {
        if (_path.Exists(other => other.HasSameNameAndKey(issuer))) return false;
        var problem = issuer.Problem ?? FindPlaceProblem(issuer.Fields);
        if (problem is null && _steps == MaxSteps) problem = $"finding a path takes more than {MaxSteps} signature verifications";
        if (problem is null)
        {
            _steps++;
            if (known is null ? issuer.HasSigned(child) : issuer.HasSigned(known)) return true;
            problem = "a signature in the chain is wrong";
        }

        _problem ??= problem;
        return false;
    }

    private string? FindPlaceProblem(CertificateFields issuer)
    {
        // The leaf, what is on the path and this one.
        if (_path.Count + 2 > X509SvidVerifier.MaxChainLength) return $"the path has more than {X509SvidVerifier.MaxChainLength} certificates";
        if (now < issuer.NotBefore || now > issuer.NotAfter) return "an authority in the chain is expired or not yet valid";

        // RFC 5280 §6.1.4 (l)(m): self-issued intermediates do not count.
        var below = 0;
        foreach (var intermediate in _path) below += intermediate.Fields.IsSelfIssued ? 0 : 1;
        return issuer.Extensions.PathLength < below ? $"an authority in the chain allows {issuer.Extensions.PathLength} intermediates below it; there are {below}" : null;
    }

    /// <summary>Adds the anchor and holds the path to its name constraints, which come last: by now every signature is genuine.</summary>
    private bool IsWholePath(SigningCertificate anchor, CertificateFields leaf)
    {
        _path.Add(anchor);
        if (FindNameProblem(leaf) is not { } problem) return true;
        _problem ??= problem;
        _path.RemoveAt(_path.Count - 1);
        return false;
    }

    private string? FindNameProblem(CertificateFields leaf)
    {
        var comparisons = 0;
        for (var above = 0; above < _path.Count; above++)
        {
            if (_path[above].Fields.NameConstraints is not { } constraints) continue;
            for (var below = -1; below < above; below++)
            {
                var certificate = below < 0 ? leaf : _path[below].Fields;

                // RFC 5280 §6.1.3 (b)(c): self-issued ones are left out unless they are the leaf.
                if (below >= 0 && certificate.IsSelfIssued) continue;
                comparisons += constraints.Count * (certificate.AlternativeNames.Count + 1);
                if (comparisons > MaxNameComparisons) return "the name constraints take too many comparisons";
                if (constraints.FindViolation(certificate) is { } violation) return $"{violation} violates the name constraints of an authority in the chain";
            }
        }

        return null;
    }
}
