using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Identity.Ledger.V1;
using Identity.Server.Administration;
using Identity.Server.Ledger;
using Kind = Identity.Ledger.V1.Authority.Types.Kind;

namespace Identity.Server.Bundles;

/// <summary>
/// Keeps the newest certificate revocation list of each of our X.509 authorities. A list stays when it is past its next update: dropping it
/// would make good again what it revokes.
/// </summary>
internal sealed class RevocationLists(ControlPlaneLedger ledger, TimeProvider time)
{
    // Of the clock of whoever made the list.
    private static readonly TimeSpan Leeway = TimeSpan.FromMinutes(5);

    public async Task<RevocationAnswer> SetAsync(ReadOnlyMemory<byte> der, string author, CancellationToken cancellation)
    {
        if (!RevocationList.TryRead(der, out var list, out var problem)) return new RevocationAnswer.Refused(problem);
        return (await ledger.ChangeAsync(author, state => Propose(list, state, time.GetUtcNow()), cancellation)).Answer;
    }

    private static Proposal<RevocationAnswer> Propose(RevocationList list, ControlPlaneState state, DateTimeOffset now)
    {
        if (list.NextUpdate <= list.ThisUpdate) return Refuse($"its next update {list.NextUpdate:u} is not after its own time {list.ThisUpdate:u}");
        if (list.ThisUpdate > now + Leeway) return Refuse($"it is of {list.ThisUpdate:u}, in the future");
        if (list.NextUpdate <= now) return Refuse($"it ended at {list.NextUpdate:u}; hand in a current one");
        if (FindSigner(list, state) is not { } signer) return Refuse("no X.509 authority of this trust domain signed it");

        list = list with { AuthorityId = signer.Id };
        if (state.Crls.TryGetValue(signer.Id, out var stored))
        {
            if (stored.Der.Span.SequenceEqual(list.Der.Span)) return new(new RevocationAnswer.Accepted(list), [], "");
            if (RevocationList.TryRead(stored.Der.Memory, out var known, out _) && (list.Number <= known.Number || list.ThisUpdate < known.ThisUpdate))
            {
                return new(
                    new RevocationAnswer.Outdated(
                        $"the list in force has the number {known.Number} and is of {known.ThisUpdate:u}, this one the number {list.Number} and is of {list.ThisUpdate:u}; expected a newer one"),
                    [],
                    "");
            }
        }

        var change = new Change { CrlSet = new CrlRecord { AuthorityId = signer.Id, Der = ByteString.CopyFrom(list.Der.Span) } };
        return new(new RevocationAnswer.Accepted(list), [change], "set a certificate revocation list");
    }

    private static Proposal<RevocationAnswer> Refuse(string problem) => new(new RevocationAnswer.Refused(problem), [], "");

    private static AuthorityRecord? FindSigner(RevocationList list, ControlPlaneState state)
    {
        foreach (var authority in state.Authorities.Values)
        {
            if (authority.Kind is not (Kind.X509Root or Kind.X509Issuing)) continue;
            using var certificate = X509CertificateLoader.LoadCertificate(authority.PublicPart.Span);
            if (list.IsSignedBy(certificate)) return authority;
        }

        return null;
    }
}
