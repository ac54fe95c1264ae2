using System.Globalization;
using Floe.Testing.Machines;

namespace Floe.Bench;

/// <summary>Watches the floe processes in the pid namespace of an agent: the agent, and what CRIU calls back. The client that asked is none of them.</summary>
internal sealed class PeakMemory(int agentPid) : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<int, long> _peaks = [];
    private Task _watching = Task.CompletedTask;

    public int Processes => _peaks.Count;

    public void Begin(MachineProcess asking) => _watching = Task.Run(() => WatchAsync(asking.HostPid));

    /// <summary>Sum of the peaks, bytes. A process that lived for less than the 5 ms between two looks is not in it.</summary>
    public async Task<long> EndAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        return _peaks.Values.Sum();
    }

    public void Dispose() => _stop.Dispose();

    private async Task WatchAsync(int asking)
    {
        var space = new FileInfo($"/proc/{agentPid}/ns/pid").LinkTarget;
        do
        {
            foreach (var folder in Directory.EnumerateDirectories("/proc"))
            {
                if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid) && pid != asking)
                {
                    Look(pid, folder, space);
                }
            }

            await Task.Delay(5, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        while (!_stop.IsCancellationRequested);

        // The agent's own peak is kept by the kernel: the last look has it.
        Look(agentPid, $"/proc/{agentPid}", space);
    }

    private void Look(int pid, string folder, string? space)
    {
        try
        {
            if (new FileInfo($"{folder}/exe").LinkTarget?.EndsWith("/bin/floe", StringComparison.Ordinal) != true || new FileInfo($"{folder}/ns/pid").LinkTarget != space)
            {
                return;
            }

            var line = File.ReadLines($"{folder}/status").FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            if (line is not null)
            {
                _peaks[pid] = long.Parse(line.AsSpan("VmHWM:".Length).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture) << 10;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended just now.
        }
    }
}
