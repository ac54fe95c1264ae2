namespace Floe.Agent.Files;

/// <summary>What is known of who wrote a file. It matters where other programs write too.</summary>
public enum FileClaim : byte
{
    /// <summary>It changed since the task started; whether the task did it is not known.</summary>
    None = 0,

    /// <summary>The task wrote it, and has closed it.</summary>
    Written = 1,

    /// <summary>The task has it open for writing.</summary>
    Held = 2,
}
