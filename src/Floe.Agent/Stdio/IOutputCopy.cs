namespace Floe.Agent.Stdio;

/// <summary>Gets every byte that the task writes to its standard streams once, when it is taken from the task, on whatever machine that is.</summary>
internal interface IOutputCopy
{
    /// <summary>May block; may be called by several threads.</summary>
    void Append(ReadOnlySpan<byte> data);
}
