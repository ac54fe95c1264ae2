using Floe.Linux.Processes;

namespace Floe.Criu.Errors;

/// <summary>Turns CRIU's error lines into one clear line and what to do.</summary>
internal static class CriuErrors
{
    public static CriuException Translate(string operation, ExitStatus status, IReadOnlyList<string> errors, Exception? inner)
    {
        var first = errors.Count > 0 ? errors[0] : $"CRIU ended with {status} and said nothing";
        return new CriuException($"CRIU {operation} failed: {first}", null, errors, inner);
    }
}
