using System.Globalization;
using System.Runtime.ExceptionServices;
using Floe.Criu.Errors;
using Floe.Criu.Hook;
using Floe.Criu.Images;
using Floe.Criu.Streaming;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging;

namespace Floe.Criu.Dump;

/// <summary>
/// One run of <c>criu dump</c>. The order that keeps the task safe: images whole → callback → verdict → CRIU kills the tree.
/// </summary>
internal sealed partial class DumpSession(TimeProvider time, ILogger logger, CriuInstallation criu, DumpRequest request)
{
    /// <summary>
    /// CRIU gives up by itself within this time once its pipes are closed; only then it is killed. The kernel lets the tasks of
    /// a killed CRIU run on, but a process that it was just writing its parasite code into can crash of it.
    /// </summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(15);

    private bool _killed;

    public static async Task<DumpOutcome> RunAsync(
        TimeProvider time, ILogger logger, CriuInstallation criu, DumpRequest request, IImageSink sink,
        Func<FrozenTask, CancellationToken, Task> whileFrozen, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var hook = new HookServer(request.WorkDirectory);
        using var capture = new CaptureServer(request.WorkDirectory, sink, request.Tcp);
        try
        {
            return await new DumpSession(time, logger, criu, request).RunAsync(hook, capture, whileFrozen, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            capture.Abort();
            await capture.Ended.ConfigureAwait(false);
        }
    }

    private string LogPath => Path.Combine(request.WorkDirectory, "dump.log");

    private string StatisticsPath => Path.Combine(request.WorkDirectory, DumpStatistics.Name);

    private string OutputPath => Path.Combine(request.WorkDirectory, "dump.out");

    private async Task<DumpOutcome> RunAsync(HookServer hook, CaptureServer capture, Func<FrozenTask, CancellationToken, Task> whileFrozen, CancellationToken cancellationToken)
    {
        File.Delete(LogPath);
        File.Delete(StatisticsPath);
        var started = time.GetTimestamp();
        var process = Start(hook.Path);
        LogStarted(logger, process.Pid, request.RootPid);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _ = process.Exited.ContinueWith(_ => TryCancel(stop), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        IReadOnlyList<ProcessIdentity> tree = [];
        Exception? failure = null;
        var committed = false;
        HookCall? call = null;
        try
        {
            call = await NextPostDumpAsync(hook, capture, stop.Token).ConfigureAwait(false);
            await capture.Complete.WaitAsync(stop.Token).ConfigureAwait(false);
            var frozen = new FrozenTask(request.RootPid, process.Pid, capture.Catalog.Processes, capture.Catalog.MemoryBytes) { Tcp = request.Tcp };
            frozen.EnsureFrozen();
            Restorable.Require(request.RootPid, frozen.Processes);
            tree = ProcessIdentity.Of(frozen.Processes);
            if (request.Tcp == TcpMode.Inside)
            {
                // What was to be read of them is read. Nobody outside goes on with one of them after a restore: who is there is told that it has gone.
                RepairedConnections.Release(request.RootPid);
            }

            await whileFrozen(frozen, stop.Token).ConfigureAwait(false);
            committed = true;
        }
        catch (Exception error)
        {
            failure = error;
        }

        // A verdict that does not arrive fails the hook, as a refusal would.
        call?.Answer(committed);
        call?.Dispose();
        if (!committed)
        {
            capture.Abort();
        }

        var status = await EndAsync(process, committed).ConfigureAwait(false);
        if (!committed)
        {
            ExceptionDispatchInfo.Throw(Failure(failure!, status, capture, cancellationToken));
        }

        // From here on the state is a fact: nothing may turn it into a failure.
        if (status.Success)
        {
            return Outcome(StatisticsPath, LogPath, time.GetElapsedTime(started));
        }

        // The state is committed, so the tree must not run on from it a second time.
        var note = $"CRIU ended with {status} after the snapshot was complete: {string.Join("; ", CriuLog.Errors(LogPath, OutputPath))}";
        if (!request.LeaveRunning)
        {
            LogKilling(logger, note);
            ProcessIdentity.Kill(tree);
        }

        return new DumpOutcome(time.GetElapsedTime(started), LogPath, note);
    }

    /// <summary>Of a dump that went well. CRIU's statistics lie on a disk that the task may have filled.</summary>
    /// <param name="elapsed">Counts where CRIU has left no figure.</param>
    internal static DumpOutcome Outcome(string statisticsPath, string logPath, TimeSpan elapsed)
    {
        try
        {
            return new DumpOutcome(DumpStatistics.Frozen(File.ReadAllBytes(statisticsPath)), logPath, null);
        }
        catch (Exception e)
        {
            return new DumpOutcome(elapsed, logPath, $"CRIU does not say how long the task stood still: {e.Message}");
        }
    }

    private ChildProcess Start(string hookSocket)
    {
        var arguments = new List<string>
        {
            "dump", "--no-default-config", "-t", request.RootPid.ToString(CultureInfo.InvariantCulture), "-D", request.WorkDirectory, "-W", request.WorkDirectory,
            "-o", LogPath, "-v2", "--stream", "--network-lock", "skip", "--link-remap", "--file-locks",
            "--ghost-limit", request.GhostLimitBytes.ToString(CultureInfo.InvariantCulture),
            "--timeout", Math.Max(1, (long)request.FreezeTimeout.TotalSeconds).ToString(CultureInfo.InvariantCulture),
            request.Tcp == TcpMode.Close ? "--tcp-close" : "--tcp-established",
            request.Cpu == CpuCheck.None ? "--cpu-cap=none" : "--cpu-cap=fpu,ins",
            "--action-script", request.HookProgram,
        };
        if (request.LeaveRunning)
        {
            arguments.Add("--leave-running");
        }

        if (request.Tcp != TcpMode.Established)
        {
            // One that was not accepted yet is closed like the others; CRIU would give the dump up for it.
            arguments.Add("--skip-in-flight");
        }

        arguments.AddRange(request.ExtraArguments);
        using var output = File.OpenHandle(OutputPath, FileMode.Create, FileAccess.Write);
        var process = CriuProcess.Start(criu, arguments, [$"{ActionHook.SocketVariable}={hookSocket}"], request.WorkDirectory, output, []);
        ProtectFromMemoryPressure(process.Pid);
        return process;
    }

    /// <summary>The kernel's memory killer must not choose CRIU: see <see cref="s_grace"/>.</summary>
    private static void ProtectFromMemoryPressure(int pid)
    {
        try
        {
            File.WriteAllText($"/proc/{pid}/oom_score_adj", "-1000");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Without CAP_SYS_RESOURCE, or CRIU is gone already: its end tells.
        }
    }

    /// <summary>Waits for CRIU to finish its images and ask, or for the image stream to break.</summary>
    private static async Task<HookCall> NextPostDumpAsync(HookServer hook, CaptureServer capture, CancellationToken cancellationToken)
    {
        while (true)
        {
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var next = hook.NextAsync(waiting.Token);
            if (!capture.Complete.IsCompletedSuccessfully)
            {
                await Task.WhenAny(next, capture.Complete).ConfigureAwait(false);
                if (capture.Complete.IsFaulted && !next.IsCompleted)
                {
                    await waiting.CancelAsync().ConfigureAwait(false);
                    await next.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default).ConfigureAwait(false);
                    await capture.Complete.ConfigureAwait(false);
                }
            }

            var call = await next.ConfigureAwait(false);
            if (call.Action == ActionHook.PostDump)
            {
                return call;
            }

            call.Answer(proceed: false);
            call.Dispose();
        }
    }

    private async Task<ExitStatus> EndAsync(ChildProcess process, bool committed)
    {
        if (!committed)
        {
            try
            {
                return await process.Exited.WaitAsync(s_grace, time).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                _killed = true;
                LogKillingCriu(logger, process.Pid);

                // While everything stands still yet: a task that runs sees no failure of its connections then.
                RepairedConnections.Release(request.RootPid);
                process.Signal(Interop.SIGKILL);
            }
        }

        var status = await process.Exited.ConfigureAwait(false);
        if (status.Signal != 0 && (!committed || request.LeaveRunning) && RepairedConnections.Release(request.RootPid) is > 0 and var released)
        {
            LogReleased(logger, released);
        }

        return status;
    }

    /// <summary>What made the dump fail, first cause first: the caller's own wish or code, then CRIU's log.</summary>
    private Exception Failure(Exception failure, ExitStatus status, CaptureServer capture, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return failure is OperationCanceledException ? new OperationCanceledException(cancellationToken) : failure;
        }

        // Images that break off are the consequence of a CRIU that was killed by others.
        if (status.Signal != 0 && !_killed)
        {
            return CriuErrors.Translate("dump", status, CriuLog.Errors(LogPath, OutputPath), failure);
        }

        // The sink's exception closed the pipes; CRIU only saw that they broke.
        if (capture.Complete.IsFaulted && capture.Complete.Exception!.InnerException is { } cause and not ImageStreamException)
        {
            return cause;
        }

        return failure is OperationCanceledException or ImageStreamException
            ? CriuErrors.Translate("dump", status, CriuLog.Errors(LogPath, OutputPath), failure)
            : failure;
    }

    private static void TryCancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The dump is over.
        }
    }

    [LoggerMessage(EventId = 3001, Level = LogLevel.Debug, Message = "CRIU {CriuPid} dumps the tree of {RootPid}")]
    private static partial void LogStarted(ILogger logger, int criuPid, int rootPid);

    [LoggerMessage(EventId = 3002, Level = LogLevel.Warning, Message = "{Note}; ending the tree")]
    private static partial void LogKilling(ILogger logger, string note);

    [LoggerMessage(EventId = 3003, Level = LogLevel.Warning, Message = "CRIU {CriuPid} does not give up by itself; killing it")]
    private static partial void LogKillingCriu(ILogger logger, int criuPid);

    [LoggerMessage(EventId = 3004, Level = LogLevel.Warning, Message = "CRIU died and left {Count} of the task's connections where they could not be used; they work again")]
    private static partial void LogReleased(ILogger logger, int count);
}
