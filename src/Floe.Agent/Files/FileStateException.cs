namespace Floe.Agent.Files;

/// <summary>The file state of a task cannot be listed, captured or put back. The message is one line for the user and says what to do.</summary>
public sealed class FileStateException : Exception
{
    public FileStateException(string message)
        : base(message)
    {
    }

    public FileStateException(string message, Exception inner)
        : base(message, inner)
    {
    }

    /// <summary>The kernel's answer behind it; 0 where there is none.</summary>
    internal int ErrorNumber { get; init; }

    /// <summary>What was captured contradicts itself: no machine can put it back.</summary>
    public bool IsDamage { get; init; }
}
