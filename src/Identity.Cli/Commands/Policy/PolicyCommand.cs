using System.CommandLine;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy</c>: one file of this folder for each verb.</summary>
internal static class PolicyCommand
{
    public static Command Create() => new("policy", "Look at, compare, check and change capability policies")
    {
        PolicyList.Create(),
        PolicyShow.Create(),
        PolicyDelete.Create(),
        PolicyDiffVerb.Create(),
        PolicyCheckVerb.Create(),
        PolicyTestVerb.Create(),
        PolicySuggestVerb.Create(),
        PolicyLinksVerb.Create(),
        PolicyExportVerb.Create(),
        PolicySchemaVerb.Create(),
        PolicyHistory.Create(),
        PolicyRollback.Create(),
        PolicyDecide.Create(),
        PolicyShadow.Create(),
        PolicyStage.Create(),
        PolicyRoles.Create(),
        PolicyPropose.Create(),
        PolicyProposals.Create(),
        PolicyApprove.Create(),
        PolicyWithdraw.Create(),
    };
}
