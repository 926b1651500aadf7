namespace Identity.Agent;

/// <summary>The agent cannot start and waiting will not help; the message is the one line its operator reads.</summary>
internal sealed class StartRefusedException(string message) : Exception(message);
