using System.Globalization;
using System.Text;
using Floe.Criu;
using Floe.Criu.Dump;
using Floe.Criu.Restore;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;

namespace Floe.CriuMachine;

/// <summary>What a test machine does. Each writes what the test looks at into the folder.</summary>
internal static class Scenarios
{
    public static Task<int> RunAsync(string scenario, string folder, string[] arguments) => scenario switch
    {
        "dump" => DumpAsync(folder, arguments),
        "restore" => RestoreAsync(folder, arguments),
        _ => throw new ArgumentException($"no scenario {scenario}"),
    };

    /// <summary>
    /// Starts the command (its output goes to out.1), waits until the file "ready" is there, dumps. The first argument says
    /// what goes wrong: "kill" and "leave" nothing; in the callback, "refuse" throws, "criu-killed" kills CRIU, "cancel" cancels;
    /// "criu-killed-at:NAME" and "sink-fails-at:NAME" when the sink gets the image of that name.
    /// </summary>
    private static async Task<int> DumpAsync(string folder, string[] arguments)
    {
        var mode = arguments[0];
        await File.WriteAllTextAsync("/proc/sys/kernel/ns_last_pid", "999");
        var criu = await CriuInstallation.LocateAsync(CancellationToken.None);
        var (read, write) = Pipe();
        await File.WriteAllTextAsync(Path.Combine(folder, "stdout.inode"), ProcFiles.TryReadLink($"/proc/self/fd/{write.DangerousGetHandle()}"));
        using var null0 = File.OpenHandle("/dev/null");
        var task = ChildProcess.Start(new ChildProcessOptions
        {
            Path = Encoding.UTF8.GetBytes(arguments[1]),
            Arguments = [.. arguments[1..].Select(Encoding.UTF8.GetBytes)],
            WorkingDirectory = Encoding.UTF8.GetBytes(folder),
            NewSession = true,
            Descriptors = [(null0, 0), (write, 1), (write, 2)],
        });
        write.Dispose();
        var drained = DrainAsync(read, Path.Combine(folder, "out.1"));
        while (!File.Exists(Path.Combine(folder, "ready")))
        {
            if (task.HasExited)
            {
                throw new InvalidOperationException("the task ended before it was ready");
            }

            await Task.Delay(10);
        }

        var images = new FolderImages(Path.Combine(folder, "images"), name => AtImage(mode, name, task.Pid));
        Directory.CreateDirectory(Path.Combine(folder, "images"));
        using var work = new WorkFolder();
        using var cancel = new CancellationTokenSource();
        var result = "committed";
        try
        {
            var request = new DumpRequest { RootPid = task.Pid, WorkDirectory = work.Path, LeaveRunning = mode == "leave", Tcp = TcpMode.Established };
            var outcome = await new CriuDump(TimeProvider.System, NullLogger.Instance).RunAsync(criu, request, images, (frozen, token) =>
            {
                images.AddMemory();
                File.WriteAllText(Path.Combine(folder, "frozen"), string.Join('\n', frozen.Processes.Select(p => $"{p.Pid} {p.Threads.Count}")));
                return AfterMemoryAsync(mode, frozen, cancel, token);
            }, cancel.Token);
            result += outcome.Note is null ? "" : $" {outcome.Note}";
            if (outcome.Frozen <= TimeSpan.Zero || outcome.Frozen > TimeSpan.FromMinutes(5))
            {
                result += $" frozen for {outcome.Frozen}";
            }

        }
        catch (Exception error) when (mode is not ("kill" or "leave"))
        {
            result = $"{error.GetType().Name}: {error.Message}";
        }
        finally
        {
            File.Copy(Path.Combine(work.Path, "dump.log"), Path.Combine(folder, "dump.log"), overwrite: true);
        }

        await File.WriteAllTextAsync(Path.Combine(folder, "result"), result);
        var status = await task.Exited;
        await drained;
        await File.WriteAllTextAsync(Path.Combine(folder, "status.1"), status.ToString());
        return 0;
    }

    private static async Task AfterMemoryAsync(string mode, FrozenTask frozen, CancellationTokenSource cancel, CancellationToken cancellationToken)
    {
        switch (mode)
        {
            case "refuse":
                throw new InvalidOperationException("the store is gone");
            case "criu-killed":
                KillCriu(frozen.RootPid);
                await Task.Delay(Timeout.Infinite, cancellationToken).ContinueWith(_ => { }, TaskScheduler.Default);
                frozen.EnsureFrozen();
                break;
            case "cancel":
                await cancel.CancelAsync();
                cancellationToken.ThrowIfCancellationRequested();
                break;
            default:
                frozen.EnsureFrozen();
                break;
        }
    }

    private static void AtImage(string mode, string name, int rootPid)
    {
        if (mode == "criu-killed-at:" + name)
        {
            KillCriu(rootPid);
        }
        else if (mode == "sink-fails-at:" + name)
        {
            throw new InvalidOperationException("the store is full");
        }
    }

    private static void KillCriu(int rootPid)
    {
        var tracer = File.ReadAllLines($"/proc/{rootPid}/status").Single(l => l.StartsWith("TracerPid:", StringComparison.Ordinal));
        _ = Interop.kill(int.Parse(tracer["TracerPid:".Length..], CultureInfo.InvariantCulture), Interop.SIGKILL);
    }

    /// <summary>
    /// Restores the images (the output goes on in out.2) and waits for the task's end. An argument names an image that is to be
    /// found damaged while it is given; then "left" tells the processes that remain beside this one.
    /// </summary>
    private static async Task<int> RestoreAsync(string folder, string[] arguments)
    {
        var criu = await CriuInstallation.LocateAsync(CancellationToken.None);
        var images = new FolderImages(Path.Combine(folder, "images"), damaged: arguments.FirstOrDefault());
        using var work = new WorkFolder();
        var (read, write) = Pipe();
        ChildProcess root;
        try
        {
            var request = new RestoreRequest
            {
                WorkDirectory = work.Path,
                Tcp = TcpMode.Established,
                InheritDescriptors = [(write, await File.ReadAllTextAsync(Path.Combine(folder, "stdout.inode")))],
            };
            root = await new CriuRestore(TimeProvider.System, NullLogger.Instance).RunAsync(criu, request, images, CancellationToken.None);
        }
        catch (InvalidDataException error) when (arguments.Length > 0)
        {
            _ = Orphans.Reap();
            var left = Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => char.IsAsciiDigit(name![0]) && name != "1");
            await File.WriteAllTextAsync(Path.Combine(folder, "left"), string.Join(' ', left));
            await File.WriteAllTextAsync(Path.Combine(folder, "result"), error.Message);
            return 0;
        }
        finally
        {
            File.Copy(Path.Combine(work.Path, "restore.log"), Path.Combine(folder, "restore.log"), overwrite: true);
        }

        write.Dispose();
        await DrainAsync(read, Path.Combine(folder, "out.2"));
        await File.WriteAllTextAsync(Path.Combine(folder, "status.2"), (await root.Exited).ToString());
        return 0;
    }

    private static Task DrainAsync(SafeFileHandle pipe, string path) => Task.Factory.StartNew(
        () =>
        {
            using (pipe)
            {
                using var source = new FileStream(pipe, FileAccess.Read, 1);
                using var target = File.Create(path);
                source.CopyTo(target);
            }
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static unsafe (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        var ends = stackalloc int[2];
        return Interop.pipe2(ends, Interop.O_CLOEXEC) == 0
            ? (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true))
            : throw LinuxException.Last("pipe2");
    }

    private sealed class WorkFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("floe-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
