namespace Floe.Linux.Processes;

/// <summary>How a process ended: by exit with a code, or by a signal.</summary>
/// <param name="Code">0 to 255; meaningless when <paramref name="Signal"/> is not 0.</param>
/// <param name="Signal">0 when it exited by itself.</param>
public readonly record struct ExitStatus(int Code, int Signal)
{
    public bool Success => this is { Code: 0, Signal: 0 };

    /// <summary>As a shell shows it: 128 + n for signal n.</summary>
    public int ShellCode => Signal == 0 ? Code : 128 + Signal;

    public override string ToString() => Signal == 0 ? $"exit status {Code}" : $"signal {Signal}";
}
