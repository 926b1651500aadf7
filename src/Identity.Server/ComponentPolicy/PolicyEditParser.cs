using Identity.Policy;
using Identity.Server.Registration;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>Reads what a caller sent; every problem of every document is named.</summary>
internal static class PolicyEditParser
{
    /// <exception cref="Grpc.Core.RpcException">Something cannot be read, or is named twice.</exception>
    public static PolicyEdit Parse(IReadOnlyList<PolicySource> sources, IReadOnlyList<string> deleted, IReadOnlyList<string> rolesDeleted)
    {
        var problems = new List<string>();
        var policies = new List<PolicyRecord>();
        var roles = new List<PolicyRecord>();
        for (var i = 0; i < sources.Count; i++)
        {
            var text = sources[i].Text;
            if (sources[i].Document is { } document)
            {
                var problem = text.Length > 0 ? "it is given as text and as messages; give one" : null;
                if (problem is not null || !PolicyMessageText.TryWrite(document, out text, out problem))
                {
                    problems.Add($"document {i + 1}: {problem}");
                    continue;
                }
            }

            if (System.Text.Encoding.UTF8.GetByteCount(text) > PolicyRegistry.MaxDocumentBytes)
            {
                problems.Add($"document {i + 1}: it has more than {PolicyRegistry.MaxDocumentBytes} bytes");
                continue;
            }

            if (!ManifestReader.TryRead(text, out var manifest, out var found))
            {
                problems.AddRange(found.Select(problem => $"document {i + 1}, {problem}"));
                continue;
            }

            switch (manifest)
            {
                case { Policies: [var policy], Roles.IsEmpty: true, Entries.IsEmpty: true }:
                    Add(policies, policy.Name, policy.Source);
                    break;
                case { Roles: [var role], Policies.IsEmpty: true, Entries.IsEmpty: true }:
                    Add(roles, role.Name, role.Source);
                    break;
                default:
                    problems.Add($"document {i + 1}: expected one CapabilityPolicy or PolicyRole in each document of a request");
                    break;
            }

            void Add(List<PolicyRecord> records, string name, string source)
            {
                if (records.Any(other => other.Name == name)) problems.Add($"document {i + 1}: {Quote.From(name)} is the name of another document in this request");
                else records.Add(new PolicyRecord { Name = name, Text = source });
            }
        }

        problems.AddRange(policies.Where(set => deleted.Contains(set.Name)).Concat(roles.Where(set => rolesDeleted.Contains(set.Name)))
            .Select(set => $"{Quote.From(set.Name)} is both set and deleted"));
        if (problems.Count > 0) throw PolicyProblems.Refusal(problems);
        return new(policies, [.. deleted.Distinct(StringComparer.Ordinal)], roles, [.. rolesDeleted.Distinct(StringComparer.Ordinal)]);
    }
}
