using System.Text;
using Floe.Agent.Cpu;
using Floe.Agent.Namespaces;
using Floe.Linux.Processes;

namespace Floe.Agent.Run;

/// <summary>The environment that a task starts with: the agent's own, byte for byte, without what is between the agent's parts.</summary>
internal static class TaskEnvironment
{
    public static IReadOnlyList<byte[]> Build(RunOptions options)
    {
        var own = ProcessStrings.Environment().Where(entry => !entry.AsSpan().StartsWith(Encoding.UTF8.GetBytes(PidNamespaceHost.InnerVariable + "="))).ToList();
        if (options.CpuBaseline is null || CpuBaseline.TryParse(options.CpuBaseline, out _) is not { } baseline)
        {
            return own;
        }

        var existing = own.Select(entry => (Entry: entry, Sign: Array.IndexOf(entry, (byte)'=')))
            .GroupBy(e => Encoding.UTF8.GetString(e.Entry, 0, e.Sign), e => Encoding.UTF8.GetString(e.Entry.AsSpan(e.Sign + 1)))
            .ToDictionary(g => g.Key, g => g.First());
        var masked = BaselineEnvironment.For(baseline, existing);
        return
        [
            .. own.Where(entry => !masked.ContainsKey(Encoding.UTF8.GetString(entry, 0, Array.IndexOf(entry, (byte)'=')))),
            .. masked.Select(pair => Encoding.UTF8.GetBytes($"{pair.Key}={pair.Value}")),
        ];
    }
}
