using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Floe.Criu.Dump;
using Floe.Criu.Errors;
using Floe.Criu.Hook;
using Floe.Criu.Images;
using Floe.Criu.Streaming;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging;

namespace Floe.Criu.Restore;

/// <summary>
/// One run of <c>criu restore</c>. CRIU asks through the hook when all is restored ("post-restore"): there the root is taken charge
/// of, and a tree whose images were not given whole is refused. Before CRIU lets go of the first thread ("pre-resume") the tree is
/// stopped, and it runs when CRIU has ended well.
/// </summary>
internal sealed partial class RestoreSession(TimeProvider time, ILogger logger, CriuInstallation criu, RestoreRequest request, IImageSource source)
{
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);

    /// <summary>CRIU did not end by itself.</summary>
    private bool _killedIt;

    public static async Task<ChildProcess> RunAsync(TimeProvider time, ILogger logger, CriuInstallation criu, RestoreRequest request, IImageSource source, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var hook = new HookServer(request.WorkDirectory);
        using var serve = new ServeServer(request.WorkDirectory, source);
        try
        {
            return await new RestoreSession(time, logger, criu, request, source).RunAsync(hook, serve, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await serve.StopAsync().ConfigureAwait(false);
        }
    }

    private string LogPath => Path.Combine(request.WorkDirectory, "restore.log");

    private string OutputPath => Path.Combine(request.WorkDirectory, "restore.out");

    private async Task<ChildProcess> RunAsync(HookServer hook, ServeServer serve, CancellationToken cancellationToken)
    {
        File.Delete(LogPath);
        var tree = Processes();
        var process = Start(hook.Path);
        var since = ProcessIdentity.StartTicksOf(process.Pid);
        LogStarted(logger, process.Pid);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var over = new CancellationTokenSource();
        var asked = hook.NextAsync(stop.Token);
        ChildProcess? root = null;
        HeldTree? held = null;
        Exception? refusal = null;
        await Task.WhenAny(asked, serve.Failed, process.Exited, Task.Delay(Timeout.Infinite, stop.Token)).ConfigureAwait(false);
        var answered = asked.IsCompletedSuccessfully;
        var stopped = Task.CompletedTask;
        if (answered)
        {
            using var call = await asked.ConfigureAwait(false);
            var accepted = call is { Action: ActionHook.PostRestore, RootPid: > 0 } && (serve.Failure ?? serve.BrokenOff) is null && !cancellationToken.IsCancellationRequested;
            if (accepted)
            {
                root = ChildProcess.Adopt(call.RootPid);
            }

            // Asked for before CRIU goes on, and until it has ended: a hook that is not heard would hold CRIU for ever.
            asked = hook.NextAsync(over.Token);
            call.Answer(accepted);
            await Task.WhenAny(asked, process.Exited).ConfigureAwait(false);
            if (asked.IsCompletedSuccessfully)
            {
                using var resume = await asked.ConfigureAwait(false);
                held = HeldTree.Stop(tree, since ?? 0);
                resume.Answer(true);
            }
        }
        else if (serve.BrokenOff is null && !process.HasExited)
        {
            // The source failed or the caller wants no more. Without its images CRIU gives up and kills what it has made. (One that broke
            // off does so by itself, and its log shall begin with the cause.)
            stopped = serve.StopAsync();
        }

        // Beside the stop, not after it: a CRIU that does not end keeps nothing waiting for longer than its grace.
        var status = await EndAsync(process, answered).ConfigureAwait(false);
        await stopped.ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        await over.CancelAsync().ConfigureAwait(false);
        await asked.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default).ConfigureAwait(false);
        if (status.Success && root is not null)
        {
            try
            {
                request.BeforeItRuns?.Invoke(root.Pid);
                await (held?.ContinueAsync(time) ?? Task.CompletedTask).ConfigureAwait(false);
                return root;
            }
            catch (Exception e)
            {
                refusal = e;
            }
        }

        root?.Signal(Interop.SIGKILL);
        await EndTreeAsync(tree, since).ConfigureAwait(false);
        if ((serve.Failure ?? refusal) is { } cause)
        {
            ExceptionDispatchInfo.Throw(cause);
        }

        cancellationToken.ThrowIfCancellationRequested();
        throw CriuErrors.TranslateRestore(status, CriuLog.Errors(LogPath, OutputPath), _killedIt, serve.BrokenOff);
    }

    private async Task<ExitStatus> EndAsync(ChildProcess process, bool answered)
    {
        if (!answered)
        {
            try
            {
                return await process.Exited.WaitAsync(s_grace, time).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                LogKilling(logger, process.Pid);
                _killedIt = true;
                process.Signal(Interop.SIGKILL);
            }
        }

        return await process.Exited.ConfigureAwait(false);
    }

    /// <summary>
    /// Waits until nothing of the tree is left, so that another restore can take the same pids: processes with the tree's pids
    /// that are younger than CRIU itself. A failing CRIU kills them but cannot reap the root, which is our child; a killed CRIU
    /// leaves them all.
    /// </summary>
    private async Task EndTreeAsync(IReadOnlyList<FrozenProcess> tree, ulong? since)
    {
        if (since is null)
        {
            return;
        }

        for (var waited = TimeSpan.Zero; waited < s_grace; waited += s_pause)
        {
            _ = Orphans.Reap();
            var left = ProcessIdentity.Of(tree).Where(p => p.StartTicks >= since).ToList();
            if (left.Count == 0)
            {
                return;
            }

            ProcessIdentity.Kill(left);
            await Task.Delay(s_pause, time).ConfigureAwait(false);
        }

        LogLeft(logger);
    }

    /// <summary>The tree; empty when the source has none.</summary>
    private IReadOnlyList<FrozenProcess> Processes() => source.TryGetSmall(PstreeImage.Name, out var pstree) ? PstreeImage.Parse(pstree.Span) : [];

    private ChildProcess Start(string hookSocket)
    {
        var arguments = new List<string>
        {
            "restore", "--no-default-config", "-D", request.WorkDirectory, "-W", request.WorkDirectory, "-o", LogPath, "-v2",
            "--stream", "-d", "-S", "--link-remap", "--file-locks",
            request.Tcp == TcpMode.Close ? "--tcp-close" : "--tcp-established",
            request.Cpu == CpuCheck.None ? "--cpu-cap=none" : "--cpu-cap=fpu,ins",
            "--action-script", request.HookProgram,
        };
        var descriptors = new List<SafeHandle>();
        foreach (var (handle, resource) in request.InheritDescriptors)
        {
            arguments.Add("--inherit-fd");
            arguments.Add($"fd[{3 + descriptors.Count}]:{resource}");
            descriptors.Add(handle);
        }

        arguments.AddRange(request.ExtraArguments);
        using var output = File.OpenHandle(OutputPath, FileMode.Create, FileAccess.Write);
        return CriuProcess.Start(criu, arguments, [$"{ActionHook.SocketVariable}={hookSocket}"], request.WorkDirectory, output, descriptors);
    }

    [LoggerMessage(EventId = 3012, Level = LogLevel.Warning, Message = "CRIU {CriuPid} does not give up by itself; killing it and what it has restored")]
    private static partial void LogKilling(ILogger logger, int criuPid);

    [LoggerMessage(EventId = 3013, Level = LogLevel.Warning, Message = "Processes of a failed restore are still there; their pids are taken")]
    private static partial void LogLeft(ILogger logger);

    [LoggerMessage(EventId = 3011, Level = LogLevel.Debug, Message = "CRIU {CriuPid} restores")]
    private static partial void LogStarted(ILogger logger, int criuPid);
}
