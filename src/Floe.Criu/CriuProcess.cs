using System.Runtime.InteropServices;
using System.Text;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu;

/// <summary>Starts CRIU.</summary>
internal static class CriuProcess
{
    private const int MaxOutputBytes = 64 * 1024;

    // What would change how CRIU or its libraries behave.
    private static readonly string[] s_unwanted = ["LD_PRELOAD=", "LD_LIBRARY_PATH=", "LD_AUDIT=", "GLIBC_TUNABLES=", "CRIU_CONFIG_FILE=", "CRIU_LIBS_DIR=", "CRTOOLS_"];

    /// <summary>Runs CRIU to its end; its standard output and error together, at most 64 KiB of them.</summary>
    public static async Task<(ExitStatus Status, string Output)> RunAsync(CriuInstallation criu, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var (read, write) = Pipe();
        using (read)
        {
            ChildProcess process;
            using (write)
            {
                process = Start(criu, arguments, [], "/", write, []);
            }

            await using var killer = cancellationToken.Register(() => process.Signal(Interop.SIGKILL)).ConfigureAwait(false);
            var output = new MemoryStream();
            await Task.Factory.StartNew(() => Drain(read, output), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
            var status = await process.Exited.ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            return (status, Encoding.UTF8.GetString(output.GetBuffer(), 0, (int)output.Length));
        }
    }

    /// <param name="criu">Which CRIU.</param>
    /// <param name="arguments">CRIU's own arguments.</param>
    /// <param name="environment">NAME=value entries added to this program's.</param>
    /// <param name="directory">Its working directory.</param>
    /// <param name="output">Its standard output and error.</param>
    /// <param name="descriptors">Descriptors from number 3 on.</param>
    public static ChildProcess Start(
        CriuInstallation criu, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, string directory, SafeHandle output, IReadOnlyList<SafeHandle> descriptors)
    {
        var (program, argv) = criu.CommandLine();
        argv.AddRange(arguments.Select(Encoding.UTF8.GetBytes));
        using var nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Read);
        var map = new List<(SafeHandle, int)> { (nothing, 0), (output, 1), (output, 2) };
        map.AddRange(descriptors.Select((handle, index) => (handle, 3 + index)));
        return ChildProcess.Start(new ChildProcessOptions
        {
            Path = program,
            Arguments = argv,
            Environment = [.. ChildProcess.OwnEnvironment().Where(IsWanted), .. environment.Select(Encoding.UTF8.GetBytes)],
            WorkingDirectory = Encoding.UTF8.GetBytes(directory),
            Descriptors = map,
        });
    }

    private static bool IsWanted(byte[] entry) => !Array.Exists(s_unwanted, name => entry.AsSpan().StartsWith(Encoding.ASCII.GetBytes(name)));

    private static unsafe (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        var ends = stackalloc int[2];
        return Interop.pipe2(ends, Interop.O_CLOEXEC) == 0
            ? (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true))
            : throw LinuxException.Last("pipe2");
    }

    private static unsafe void Drain(SafeFileHandle pipe, MemoryStream output)
    {
        var buffer = stackalloc byte[4096];
        while (true)
        {
            // SAFETY: the count is the buffer's size.
            var count = Interop.read((int)pipe.DangerousGetHandle(), buffer, 4096);
            if (count < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR)
            {
                continue;
            }

            if (count <= 0)
            {
                return;
            }

            if (output.Length < MaxOutputBytes)
            {
                output.Write(new ReadOnlySpan<byte>(buffer, (int)count));
            }
        }
    }
}
