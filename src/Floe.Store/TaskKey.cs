using System.Diagnostics.CodeAnalysis;

namespace Floe.Store;

/// <summary>
/// Names one task in a store: 1 to 128 letters, digits, '.', '_' and '-', first a letter or digit. It is a folder name and a part
/// of S3 keys, so nothing that either could read as more than a name is let in.
/// </summary>
public readonly record struct TaskKey
{
    public const int MaxLength = 128;

    private readonly string? _value;

    private TaskKey(string value) => _value = value;

    public string Value => _value ?? throw new InvalidOperationException("a default TaskKey names no task");

    /// <summary>False and a one-line reason for text that is no key.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out TaskKey key, [NotNullWhen(false)] out string? error)
    {
        key = default;
        if (string.IsNullOrEmpty(text))
        {
            error = "a task key may not be empty";
            return false;
        }

        if (text.Length > MaxLength)
        {
            error = $"a task key has at most {MaxLength} characters, this one has {text.Length}";
            return false;
        }

        if (!char.IsAsciiLetterOrDigit(text[0]) || !text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
        {
            error = "a task key is made of letters, digits, '.', '_' and '-', and starts with a letter or digit";
            return false;
        }

        error = null;
        key = new TaskKey(text);
        return true;
    }

    /// <summary>Throws <see cref="FormatException"/> where <see cref="TryParse"/> says false.</summary>
    public static TaskKey Parse(string text) => TryParse(text, out var key, out var error) ? key : throw new FormatException(error);

    public override string ToString() => _value ?? "";
}
