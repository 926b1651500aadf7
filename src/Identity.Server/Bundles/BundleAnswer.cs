using Grpc.Core;
using Types = Spire.Api.Types;

namespace Identity.Server.Bundles;

/// <summary>What became of one item of a batch. <paramref name="Bundle"/> is the bundle as it is now; null when the item was refused or deleted.</summary>
internal sealed record BundleAnswer(StatusCode Code, string Message, Types.Bundle? Bundle)
{
    public Types.Status Status => new() { Code = (int)Code, Message = Message };

    public static BundleAnswer Done(Types.Bundle? bundle) => new(StatusCode.OK, "OK", bundle);

    public static BundleAnswer Refused(StatusCode code, string message) => new(code, message, null);

    public static BundleAnswer NotFound(string name) => Refused(StatusCode.NotFound, $"no bundle of {name} is known");
}
