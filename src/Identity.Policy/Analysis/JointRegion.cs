using System.Collections.Immutable;
using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>
/// Several requests of one caller at one moment, as one region: what all of them say of the caller, then what is asked for, one after the
/// other. Cuts of the caller, and of single requests, are cuts of it.
/// </summary>
internal sealed class JointRegion
{
    private readonly RegionKind[] _kinds;
    private readonly int[] _starts;

    private JointRegion(RegionKind[] kinds, int[] starts, Region whole) => (_kinds, _starts, Whole) = (kinds, starts, whole);

    public Region Whole { get; }

    /// <summary>The caller and the moment alone.</summary>
    public Region Caller => CallerOf(Whole);

    /// <summary>Null when nobody could make all these requests.</summary>
    public static JointRegion? Of(IReadOnlyList<Region> requests)
    {
        var caller = CallerOf(requests[0]);
        for (var i = 1; i < requests.Count; i++)
        {
            if (caller.Intersect(CallerOf(requests[i])) is not { } both) return null;
            caller = both;
        }

        var values = new List<ValueSet>(caller.Values.ToArray());
        var starts = new int[requests.Count];
        for (var i = 0; i < requests.Count; i++)
        {
            starts[i] = values.Count;
            values.AddRange(requests[i].Values[Dimensions.Capability..]);
        }

        return new JointRegion([.. requests.Select(request => request.Kind)], starts, new Region(RegionKind.Joint, [.. values]));
    }

    /// <summary>The caller of a region, as a region that asks for nothing.</summary>
    public static Region CallerOf(Region region) => new(RegionKind.Joint, region.Values[..Dimensions.Capability].ToArray());

    /// <summary>Everything that a caller of the region asks for.</summary>
    public Region CutOfCaller(Region region) => Cut(region, -1);

    /// <summary>Everything where this one of the requests lies in the region.</summary>
    public Region CutOf(Region region, int request) => Cut(region, request);

    public AuthorityExample ExampleIn(Region joint)
    {
        var requests = ImmutableArray.CreateBuilder<CapabilityRequest>(_kinds.Length);
        for (var i = 0; i < _kinds.Length; i++)
        {
            var end = i + 1 < _starts.Length ? _starts[i + 1] : joint.Values.Length;
            requests.Add(ExampleRequest.In(new Region(_kinds[i], [.. joint.Values[..Dimensions.Capability], .. joint.Values[_starts[i]..end]])));
        }

        return new AuthorityExample(ExamplePrincipal.In(joint), requests[0], AuthorityExample.MomentOf(joint)) { Beside = [.. requests.Skip(1)] };
    }

    private Region Cut(Region region, int request)
    {
        var values = new ValueSet[Whole.Values.Length];
        Array.Fill(values, AnythingSet.Instance);
        region.Values[..Dimensions.Capability].CopyTo(values);
        if (request >= 0) region.Values[Dimensions.Capability..].CopyTo(values.AsSpan(_starts[request]));
        return new Region(RegionKind.Joint, values);
    }
}
