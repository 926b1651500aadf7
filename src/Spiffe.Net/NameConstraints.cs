using System.Formats.Asn1;
using System.Net;

namespace Spiffe.Net;

/// <summary>
/// The subtrees that an authority may name, and those that it may not (RFC 5280 §4.2.1.10): URI hosts, DNS names, IP addresses and directory names. A name of
/// a kind that is constrained but not compared here is a violation.
/// </summary>
internal sealed class NameConstraints
{
    private const int MaxSubtrees = 64;
    private const int Mail = 1, Dns = 2, Directory = 4, Uri = 6, Ip = 7;
    private const string EmailAddressOid = "1.2.840.113549.1.9.1";

    private static readonly Asn1Tag PermittedTag = new(TagClass.ContextSpecific, 0, isConstructed: true);
    private static readonly Asn1Tag ExcludedTag = new(TagClass.ContextSpecific, 1, isConstructed: true);

    private readonly List<Subtree> _permitted = [];
    private readonly List<Subtree> _excluded = [];

    private NameConstraints()
    {
    }

    /// <summary>Each is compared with every name below it, which the path search bounds.</summary>
    public int Count => _permitted.Count + _excluded.Count;

    /// <summary>Throws <see cref="AsnContentException"/> or <see cref="CertificateProblemException"/> when they cannot be read or evaluated.</summary>
    public static NameConstraints Read(AsnReader value)
    {
        var constraints = new NameConstraints();
        var lists = value.ReadSequence();
        if (!lists.HasData) throw new CertificateProblemException("the certificate has name constraints that constrain nothing");
        if (lists.PeekTag() == PermittedTag) constraints.ReadSubtrees(lists.ReadSequence(PermittedTag), constraints._permitted);
        if (lists.HasData) constraints.ReadSubtrees(lists.ReadSequence(ExcludedTag), constraints._excluded);
        lists.ThrowIfNotEmpty();
        return constraints;
    }

    /// <summary>What of the certificate's names lies outside what is permitted or inside what is excluded; null when nothing does.</summary>
    public string? FindViolation(CertificateFields certificate)
    {
        var names = certificate.AlternativeNames;
        if (!certificate.HasEmptySubject && !IsAllowed(Directory, tree => IsWithin(certificate.Subject, tree))) return "its subject";
        foreach (var name in names.DirectoryNames)
        {
            if (!IsAllowed(Directory, tree => IsWithin(name, tree))) return "a directory name";
        }

        foreach (var uri in names.Uris)
        {
            if (!IsConstrained(Uri)) break;
            if (!HostName.TryFromUri(uri, out var host) || !IsAllowed(Uri, tree => HostName.MatchesUriConstraint(host, tree.Text))) return "its URI";
        }

        foreach (var name in names.DnsNames)
        {
            if (!IsConstrained(Dns)) break;
            if (!HostName.IsDnsName(name) || !IsAllowed(Dns, tree => HostName.MatchesDnsConstraint(name, tree.Text, tree.IsExcluded))) return "a DNS name";
        }

        foreach (var address in names.IpAddresses)
        {
            if (!IsAllowed(Ip, tree => IsWithin(address, tree.Bytes.Span))) return "an IP address";
        }

        return FindUncomparable(certificate);
    }

    // "…the application MUST either process the constraint or reject the certificate."
    private string? FindUncomparable(CertificateFields certificate)
    {
        var kinds = certificate.AlternativeNames.Kinds;
        for (var kind = 0; kind <= 8; kind++)
        {
            if (kind is Dns or Directory or Uri or Ip || !IsConstrained(kind)) continue;
            if ((kinds & (1 << kind)) != 0) return "a name of a kind whose constraints are not understood";
            if (kind == Mail && DistinguishedName.Contains(certificate.Subject.Span, EmailAddressOid)) return "the mail address in its subject";
        }

        return null;
    }

    private bool IsConstrained(int kind) => _permitted.Exists(tree => tree.Kind == kind) || _excluded.Exists(tree => tree.Kind == kind);

    private bool IsAllowed(int kind, Predicate<Subtree> contains)
    {
        if (_excluded.Exists(tree => tree.Kind == kind && contains(tree))) return false;
        return !_permitted.Exists(tree => tree.Kind == kind) || _permitted.Exists(tree => tree.Kind == kind && contains(tree));
    }

    private static bool IsWithin(ReadOnlyMemory<byte> name, Subtree tree) =>
        tree.IsExcluded ? DistinguishedName.MayBeWithin(name.Span, tree.Bytes.Span) : DistinguishedName.IsWithinExactly(name.Span, tree.Bytes.Span);

    /// <param name="constraint">An address and a mask of the same length.</param>
    private static bool IsWithin(IPAddress address, ReadOnlySpan<byte> constraint)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var length);
        if (constraint.Length != 2 * length) return false;
        for (var i = 0; i < length; i++)
        {
            if ((bytes[i] & constraint[length + i]) != (constraint[i] & constraint[length + i])) return false;
        }

        return true;
    }

    private void ReadSubtrees(AsnReader list, List<Subtree> subtrees)
    {
        if (!list.HasData) throw new CertificateProblemException("the certificate has an empty list of name constraints");
        while (list.HasData)
        {
            if (Count == MaxSubtrees) throw new CertificateProblemException($"the certificate has more than {MaxSubtrees} name constraints");
            var subtree = list.ReadSequence();
            subtrees.Add(ReadBase(subtree, isExcluded: subtrees == _excluded));

            // A distance from the base: "minimum MUST be zero, and maximum MUST be absent", and DER leaves the zero out.
            if (subtree.HasData) throw new CertificateProblemException("the certificate has a name constraint with a minimum or maximum");
        }
    }

    private static Subtree ReadBase(AsnReader subtree, bool isExcluded)
    {
        var tag = subtree.PeekTag();
        if (tag.TagClass is not TagClass.ContextSpecific || tag.TagValue > 8) throw new AsnContentException();
        string text = "";
        ReadOnlyMemory<byte> bytes = default;
        switch (tag.TagValue)
        {
            case Dns:
                text = subtree.ReadCharacterString(UniversalTagNumber.IA5String, SubjectAlternativeNames.DnsTag);
                if (!HostName.IsDnsConstraint(text)) throw new CertificateProblemException($"the name constraint {Quoted.From(text)} is not a DNS name");
                break;
            case Uri:
                text = subtree.ReadCharacterString(UniversalTagNumber.IA5String, SubjectAlternativeNames.UriTag);
                if (!HostName.IsUriConstraint(text)) throw new CertificateProblemException($"the name constraint {Quoted.From(text)} is not the host of a URI");
                break;
            case Ip:
                bytes = subtree.ReadOctetString(SubjectAlternativeNames.IpTag);
                if (!IsNetwork(bytes.Span)) throw new CertificateProblemException("the certificate has an IP constraint that is not an address and a mask");
                break;
            case Directory:
                bytes = SubjectAlternativeNames.ReadDirectoryName(subtree);
                break;
            default:
                subtree.ReadEncodedValue();
                break;
        }

        return new Subtree(tag.TagValue, isExcluded, text, bytes);
    }

    // RFC 4632 §3.1: ones, then zeros.
    private static bool IsNetwork(ReadOnlySpan<byte> constraint)
    {
        if (constraint.Length is not (8 or 32)) return false;
        var ended = false;
        foreach (var part in constraint[(constraint.Length / 2)..])
        {
            for (var bit = 0x80; bit != 0; bit >>= 1)
            {
                var isSet = (part & bit) != 0;
                if (isSet && ended) return false;
                ended |= !isSet;
            }
        }

        return true;
    }

    private readonly record struct Subtree(int Kind, bool IsExcluded, string Text, ReadOnlyMemory<byte> Bytes);
}
