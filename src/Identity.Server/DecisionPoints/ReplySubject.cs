namespace Identity.Server.DecisionPoints;

/// <summary>Where a stranger may have us publish.</summary>
internal static class ReplySubject
{
    private const int MaxLength = 1024;

    /// <summary>
    /// True for inboxes and what nats-server makes of them between accounts, clusters and leaf nodes (<c>_INBOX…</c>, <c>_R_…</c>,
    /// <c>_GR_…</c>), as long as none of our own subjects lies there. Everything else would let whoever asks speak with our voice: on the
    /// changes topic, to a host.
    /// </summary>
    public static bool IsInbox(string? subject, WasmCloudOptions options) =>
        subject is { Length: > 0 and <= MaxLength } && subject[0] == '_' && subject.Contains('.', StringComparison.Ordinal)
        && !subject.AsSpan().ContainsAny('*', '>') && !Own(options).Any(own => own is not null && SettingText.IsBelow(subject, own));

    private static IEnumerable<string?> Own(WasmCloudOptions options) =>
        [options.PolicyTopic, options.ChangesTopic, options.GatePrefix, options.HostPrefix, options.RefusalsSubject];
}
