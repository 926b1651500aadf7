using System.Diagnostics.CodeAnalysis;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>Puts the parts of one agent's list of admissions together; nothing of it counts before the last part is there.</summary>
internal sealed class ReportedList(Func<LiveAdmission, ReportedAdmission> parse)
{
    private List<ReportedAdmission> _known = [];
    private HashSet<string> _ids = new(StringComparer.Ordinal);
    private uint _next;

    /// <summary>How many admissions came of a list whose last part did not.</summary>
    public int Unfinished => _known.Count;

    /// <summary>False without a problem: more parts are to come.</summary>
    public bool TryFinish(
        Identity.V1.LiveAdmissions part, [NotNullWhen(true)] out List<ReportedAdmission>? all, out string? problem)
    {
        all = null;
        if (part.Part == 0) Begin();
        problem = FindProblem(part);
        if (problem is not null) return false;
        _next = part.MoreFollow ? part.Part + 1 : 0;
        if (part.MoreFollow) return false;
        all = _known;
        Begin();
        return true;
    }

    private void Begin() => (_known, _ids, _next) = ([], new HashSet<string>(StringComparer.Ordinal), 0);

    private string? FindProblem(Identity.V1.LiveAdmissions part)
    {
        if (part.Part != _next) return $"part {part.Part} of a list of admissions arrived where part {_next} was expected";
        // An endless list of empty parts would never be refused for its length.
        if (part.MoreFollow && part.Admissions.Count == 0) return "a part of a list of admissions is empty";
        if (_known.Count + part.Admissions.Count > LiveAdmissions.MaxPerAgent)
            return $"the report has more than {LiveAdmissions.MaxPerAgent} admissions";
        foreach (var wire in part.Admissions)
        {
            var admission = parse(wire);
            if (!_ids.Add(admission.Id)) return "the report names an admission twice";
            _known.Add(admission);
        }

        return null;
    }
}
