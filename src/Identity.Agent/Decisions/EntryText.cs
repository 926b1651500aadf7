using System.Text;

namespace Identity.Agent.Decisions;

/// <summary>A registration entry as YAML that an operator can apply: the smallest change that turns a refusal for want of an entry.</summary>
internal static class EntryText
{
    public static string Of(string spiffeId, string parentId, params IEnumerable<string> selectors)
    {
        var text = new StringBuilder("kind: RegistrationEntry\n");
        text.Append("spiffeId: ").Append(spiffeId).Append('\n');
        text.Append("parentId: ").Append(parentId).Append('\n');
        text.Append("selectors:\n");
        foreach (var selector in selectors) text.Append("  - ").Append(selector).Append('\n');
        return text.ToString();
    }
}
