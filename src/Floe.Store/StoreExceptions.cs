namespace Floe.Store;

/// <summary>The store, or a snapshot in it, is of a format that this version of Floe does not read. The message says what to do.</summary>
public sealed class UnsupportedFormatException(string message) : Exception(message);

/// <summary>Another agent holds the task's lease. The message names it.</summary>
public sealed class LeaseRefusedException(string message, LeaseInfo holder) : Exception(message)
{
    public LeaseInfo Holder { get; } = holder;
}

/// <summary>This agent's lease was taken over or removed: it may not commit any more.</summary>
public sealed class LeaseLostException(string message) : Exception(message);
