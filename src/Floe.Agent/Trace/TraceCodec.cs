using System.Text.Json;

namespace Floe.Agent.Trace;

/// <summary>A trace as bytes. What is read is hostile: size, kind and version are checked, and what makes no sense is refused as a whole.</summary>
public static class TraceCodec
{
    public static byte[] Write(TraceDocument document) => JsonSerializer.SerializeToUtf8Bytes(document, TraceJson.Default.TraceDocument);

    /// <summary>Null and a one-line reason for bytes that are no trace this version reads.</summary>
    public static TraceDocument? TryRead(ReadOnlySpan<byte> bytes, out string? problem)
    {
        problem = null;
        if (bytes.Length > TraceLimits.MaxBytes)
        {
            problem = $"is larger than {TraceLimits.MaxBytes >> 20} MiB";
            return null;
        }

        TraceDocument? document;
        try
        {
            document = JsonSerializer.Deserialize(bytes, TraceJson.Default.TraceDocument);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            problem = "is no valid JSON of a trace";
            return null;
        }

        if (document?.Kind != TraceDocument.KindName)
        {
            problem = "is no trace of Floe";
            return null;
        }

        if (document.FormatVersion is < 1 or > TraceDocument.CurrentVersion)
        {
            problem = $"is a trace of format {document.FormatVersion}; this floe reads up to {TraceDocument.CurrentVersion}, use a newer one";
            return null;
        }

        if (document.Attempts.Any(a => a is null || a.Notices.Any(n => n is null) || a.Restores.Any(r => r is null)
            || a.Snapshots.Any(s => s is null || s.Phases.Any(p => p is null)))
            || document.Command.Any(c => c is null))
        {
            problem = "has empty entries";
            return null;
        }

        return document;
    }
}
