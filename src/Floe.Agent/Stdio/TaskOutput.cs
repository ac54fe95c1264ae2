using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Agent.Stdio;

/// <summary>
/// The relays of a task's standard output and error. One relay serves both when the agent's own two are the same file, so that
/// lines keep the order in which the task wrote them.
/// </summary>
internal sealed class TaskOutput : IAsyncDisposable
{
    private TaskOutput(OutputRelay stdout, OutputRelay stderr)
    {
        Stdout = stdout;
        Stderr = stderr;
    }

    public OutputRelay Stdout { get; }

    /// <summary>The same object as <see cref="Stdout"/> when both go to one file.</summary>
    public OutputRelay Stderr { get; }

    /// <summary>Completes when no process of the task holds a write end any more and everything was passed on.</summary>
    public Task Ended => Task.WhenAll(Stdout.Ended, Stderr.Ended);

    /// <summary>See <see cref="OutputRelay.Refusal"/>.</summary>
    public LinuxException? Refusal => Stdout.Refusal ?? Stderr.Refusal;

    /// <summary>Completes when one of the two takes no more, with the reason; with null when both have ended and took all.</summary>
    public async Task<LinuxException?> RefusedAsync()
    {
        await Task.WhenAny(Stdout.Ended, Stderr.Ended).ConfigureAwait(false);
        if (Refusal is null)
        {
            await Ended.ConfigureAwait(false);
        }

        return Refusal;
    }

    /// <param name="stdoutBacklog">Written first: what an earlier machine could not pass on.</param>
    /// <param name="user">Whose the pipes are: a task opens /dev/stderr by name too. Null: the agent's.</param>
    /// <param name="separate">False to follow the agent's own descriptors; true for a restored task that has two pipes.</param>
    /// <param name="copy">Gets what both streams carry; null for none.</param>
    /// <param name="held">Nothing is written before <see cref="Resume"/>.</param>
    public static TaskOutput Create(byte[] stdoutBacklog, byte[] stderrBacklog, UserIds? user = null, bool? separate = null, IOutputCopy? copy = null, bool held = false)
    {
        var stdout = new OutputRelay(1, stdoutBacklog, user, copy, held);
        var one = !(separate ?? !SameFile(1, 2));
        return new TaskOutput(stdout, one ? stdout : new OutputRelay(2, stderrBacklog, user, copy, held));
    }

    /// <summary>"pipe:[INODE]" of the two write ends, as CRIU names them.</summary>
    public (string Stdout, string Stderr) PipeNames() => (Stdout.PipeName, Stderr.PipeName);

    public void CloseWriteEnds()
    {
        Stdout.WriteEnd.Dispose();
        Stderr.WriteEnd.Dispose();
    }

    /// <summary>Stops both relays at one instant of the frozen task and returns what nobody had taken yet: of each at most <paramref name="maxBytes"/>.</summary>
    public async Task<(byte[] Stdout, byte[] Stderr)> PauseAsync(TimeSpan patience, int maxBytes, TimeProvider time, CancellationToken cancellationToken)
    {
        var stdout = await Stdout.PauseAsync(patience, maxBytes, time, cancellationToken).ConfigureAwait(false);
        var stderr = Stderr == Stdout ? [] : await Stderr.PauseAsync(patience, maxBytes, time, cancellationToken).ConfigureAwait(false);
        return (stdout, stderr);
    }

    public void Resume()
    {
        Stdout.Resume();
        Stderr.Resume();
    }

    public ValueTask DisposeAsync()
    {
        Stdout.Dispose();
        if (Stderr != Stdout)
        {
            Stderr.Dispose();
        }

        return ValueTask.CompletedTask;
    }

    private static bool SameFile(int a, int b) => Target(a) is { } target && target == Target(b);

    /// <summary>Null for a descriptor that is closed or that names no one file ("pipe:[5]" and paths do).</summary>
    private static string? Target(int fd) => ProcFiles.TryReadLink($"/proc/self/fd/{fd}");
}
