using Grpc.Core;
using Identity.Policy;
using Spiffe.Net;
using static Spire.Api.Types.PermissionDeniedDetails.Types;

namespace Identity.Server.Endpoints;

/// <summary>Who is calling, as established for this call by the connection it came on; never by what the request says.</summary>
internal abstract record Caller
{
    private Caller() { }

    /// <summary>A process of our own user or of root, on the admin socket.</summary>
    public sealed record Admin(uint Uid) : Caller
    {
        public override string Author => $"admin:uid={Uid}";

        public override CallerKinds Kind => CallerKinds.Admin;

        public override PolicyPerson Person => PolicyPerson.Of(Uid);
    }

    /// <summary>An attested agent that is not banned, with an SVID that is its current one.</summary>
    /// <param name="Serial">Lower-case hexadecimal, as in the ledger.</param>
    public sealed record Agent(SpiffeId Id, string Serial) : Caller
    {
        public override string Author => Id.ToString();

        public override CallerKinds Kind => CallerKinds.Agent;
    }

    /// <summary>Someone whom a PolicyRole names: a user of this machine on the admin socket, or the holder of an SVID on the gRPC port.</summary>
    public sealed record PolicyAuthor(PolicyPerson Named) : Caller
    {
        public override string Author => Named.Text;

        public override CallerKinds Kind => CallerKinds.PolicyAuthor;

        public override PolicyPerson Person => Named;
    }

    /// <summary>Somebody who is no agent, whose SVID the configuration names as one that may ask for decisions.</summary>
    public sealed record DecisionClient(SpiffeId Id) : Caller
    {
        public override string Author => Id.ToString();

        public override CallerKinds Kind => CallerKinds.DecisionClient;
    }

    /// <summary>Anyone on the mesh's listener; the service there reads a bearer token.</summary>
    public sealed record MeshClient : Caller
    {
        public override string Author => "mesh";

        public override CallerKinds Kind => CallerKinds.MeshClient;
    }

    /// <summary>Nobody known: no client certificate, or one that names no agent of ours.</summary>
    /// <param name="Problem">What was wrong with the certificate; empty when there was none.</param>
    /// <param name="Reason">The same for SPIRE's agent, which attests again or stops on it.</param>
    /// <param name="Serial">Of that certificate, as for <see cref="Agent"/>; empty without an ID.</param>
    /// <param name="Id">Whose certificate it is, when it was verified and its holder is no agent of ours any more.</param>
    public sealed record Anonymous(string Problem = "", Reason Reason = Reason.Unknown, SpiffeId? Id = null, string Serial = "") : Caller
    {
        public override string Author => "anonymous";

        public override CallerKinds Kind => CallerKinds.Anonymous;
    }

    /// <summary>How the ledger names it.</summary>
    public abstract string Author { get; }

    public abstract CallerKinds Kind { get; }

    /// <summary>As roles and approvals know it; null for callers that change no policy.</summary>
    public virtual PolicyPerson? Person => null;

    /// <summary>The caller of this call, as the gate established it; anonymous when it did not.</summary>
    public static Caller Of(ServerCallContext context) => context.GetHttpContext().Features.Get<Caller>() ?? new Anonymous();
}

/// <summary>A set of callers; empty by default.</summary>
[Flags]
internal enum CallerKinds
{
    None = 0,
    Admin = 1,
    Agent = 2,
    MeshClient = 4,
    Anonymous = 8,
    PolicyAuthor = 16,
    DecisionClient = 32,
}
