using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Agent.Tasks;

/// <summary>What a task leaves behind in the agent's pid namespace.</summary>
internal static class LeftOvers
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);
    private const int MaxRounds = 400;
    private static HashSet<int> s_others = [];

    /// <summary>
    /// To be called before anything is started. A shell that became the agent by exec may have left it children, such as the
    /// <c>tee</c> that takes the agent's output: those are no part of the task and are never touched.
    /// </summary>
    public static void SpareThoseOfNow() => s_others = Orphans.Children().ToHashSet();

    /// <summary>
    /// Kills and reaps every process below the agent that it did not start for itself: daemons whose init is gone, the halves of a
    /// failed restore. As pid 1 the agent inherits them all, so killing a parent brings up its children: hence the rounds.
    /// </summary>
    /// <returns>False when something could not be ended in two seconds.</returns>
    public static async Task<bool> KillAsync(TimeProvider time)
    {
        for (var round = 0; round < MaxRounds; round++)
        {
            var strangers = Orphans.Children().Where(pid => !ChildProcess.IsKnown(pid) && !s_others.Contains(pid)).ToList();
            if (strangers.Count == 0)
            {
                return true;
            }

            foreach (var pid in strangers)
            {
                _ = Interop.kill(pid, Interop.SIGKILL);
            }

            Orphans.Reap();
            await Task.Delay(s_pause, time).ConfigureAwait(false);
        }

        return false;
    }
}
