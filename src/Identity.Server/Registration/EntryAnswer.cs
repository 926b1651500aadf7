using Grpc.Core;
using Types = Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary>What became of one item of a batch. <paramref name="Entry"/> is the entry as it is now, or the one that stood in the way.</summary>
internal sealed record EntryAnswer(StatusCode Code, string Message, Types.Entry? Entry)
{
    public Types.Status Status => new() { Code = (int)Code, Message = Message };

    public static EntryAnswer Done(Types.Entry entry) => new(StatusCode.OK, "OK", entry);

    /// <summary>Done, and something the caller may not have meant.</summary>
    public EntryAnswer But(string what) => this with { Message = $"OK, but {what}" };

    public static EntryAnswer Refused(StatusCode code, string message, Types.Entry? inTheWay = null) => new(code, message, inTheWay);

    public static EntryAnswer NotFound(string id) => new(StatusCode.NotFound, $"there is no entry with the id {Quote.From(id)}", null);

    public static EntryAnswer UnknownTrustDomain(string name) => Refused(
        StatusCode.FailedPrecondition, $"federatesWith names {name}, whose bundle is not known here; set it first (identity bundle set {name} FILE)");
}
