using Identity.Policy;

namespace Identity.Server.Registration;

/// <summary>Types of selectors that entries may have. One that nobody gives is a slip of the pen, and its entry would never match without a reason.</summary>
/// <param name="Also">What attestors of one's own give, besides those that are known (<see cref="KnownSelectors"/>).</param>
internal sealed record SelectorTypes(IReadOnlyList<string> Also)
{
    /// <summary>Why one of these is refused, and how to have it all the same; null when all are known.</summary>
    public string? WhyUnknown(IEnumerable<string> selectors) =>
        selectors.Select(selector => KnownSelectors.WhyUnknownType(selector, Also)).FirstOrDefault(why => why is not null) is { } unknown
            ? $"{unknown}; if an attestor of yours gives them, start identityd with --selector-type TYPE"
            : null;
}
