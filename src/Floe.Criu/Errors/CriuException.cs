namespace Floe.Criu.Errors;

/// <summary>CRIU could not do its work. The message is one clear line; the hint says what to do.</summary>
public sealed class CriuException : IOException
{
    public CriuException(string message, string? hint = null, IReadOnlyList<string>? logLines = null, Exception? inner = null)
        : base(hint is null ? message : $"{message}; {hint}", inner)
    {
        Hint = hint;
        LogLines = logLines ?? [];
    }

    public string? Hint { get; }

    /// <summary>CRIU died of a signal, and could not leave the task as it found it.</summary>
    public bool HasDied { get; init; }

    /// <summary>CRIU's own error lines, the relevant ones of its log.</summary>
    public IReadOnlyList<string> LogLines { get; }
}
