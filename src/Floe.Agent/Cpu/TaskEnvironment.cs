using System.Text;

namespace Floe.Agent.Cpu;

/// <summary>The environment of a task: what the user gave, byte for byte, and what Floe must add so that the task can be moved.</summary>
public static class TaskEnvironment
{
    /// <summary>libuv's (Node.js's) own switch, for where <see cref="Floe.Linux.Processes.SystemCallBlock"/> cannot be had; a value of the user's stays.</summary>
    private static readonly byte[] UvUseIoUring = "UV_USE_IO_URING=0"u8.ToArray();

    /// <param name="environment">NAME=value entries; entries that no change touches come out as the same bytes, in the same order.</param>
    /// <param name="baseline">Null: the CPU is not masked.</param>
    public static IReadOnlyList<byte[]> Compose(IReadOnlyList<byte[]> environment, CpuBaseline? baseline)
    {
        ArgumentNullException.ThrowIfNull(environment);
        var result = environment.ToList();
        if (!result.Exists(entry => entry.AsSpan().StartsWith("UV_USE_IO_URING="u8)))
        {
            result.Add(UvUseIoUring);
        }

        if (baseline is null)
        {
            return result;
        }

        var existing = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in environment)
        {
            if (Array.IndexOf(entry, (byte)'=') is > 0 and var equals)
            {
                // As getenv: the first of several counts.
                existing.TryAdd(Encoding.UTF8.GetString(entry, 0, equals), Encoding.UTF8.GetString(entry, equals + 1, entry.Length - equals - 1));
            }
        }

        foreach (var (name, value) in BaselineEnvironment.For(baseline, existing))
        {
            var prefix = Encoding.UTF8.GetBytes(name + "=");
            result.RemoveAll(entry => entry.AsSpan().StartsWith(prefix));
            result.Add([.. prefix, .. Encoding.UTF8.GetBytes(value)]);
        }

        return result;
    }
}
