using System.Globalization;
using System.IO.Pipes;
using System.Text;
using Floe.Agent;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Win32.SafeHandles;

namespace Floe.Cli.Console;

/// <summary>
/// A verb that goes into the background once it is ready: this program is started again in a session of its own, and the first one waits for its
/// word over a pipe. (fork alone is not for a runtime with threads.)
/// </summary>
internal static class Daemon
{
    private const string ReadyVariable = "FLOE_READY_DESCRIPTOR";
    private const int ReadyDescriptor = 3;

    /// <summary>Starts this program again without the word that asked for the background; returns its exit status, or 0 as soon as it is ready.</summary>
    /// <param name="word">The option, as in "--daemon".</param>
    /// <param name="variable">The variable that says the same.</param>
    /// <param name="logFile">Where its log goes, unless FLOE_LOG_FILE names a file: nobody reads its stderr.</param>
    public static async Task<int> StartAsync(string word, string variable, string logFile, CancellationToken cancellationToken)
    {
        using var ready = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.None);
        ChildProcess child;
        using (var readyEnd = ready.ClientSafePipeHandle)
        using (var nothing = File.OpenHandle("/dev/null"))
        {
            var environment = ProcessStrings.Environment().Where(entry => !Names(entry, variable));
            if (StderrLog.OwnFile() is null)
            {
                environment = environment.Where(entry => !Names(entry, StderrLog.FileVariable)).Append(Encoding.UTF8.GetBytes($"{StderrLog.FileVariable}={logFile}"));
            }

            environment = environment.Append(Encoding.UTF8.GetBytes($"{ReadyVariable}={ReadyDescriptor}"));
            child = ChildProcess.Start(new ChildProcessOptions
            {
                Path = Encoding.UTF8.GetBytes(Environment.ProcessPath ?? throw new FloeException(1, "this program cannot find itself (no /proc?)")),
                Arguments = [.. ProcessStrings.Arguments().Where(argument => !argument.AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(word)))],
                Environment = [.. environment],
                NewSession = true,
                Descriptors = [(nothing, 0), (readyEnd, ReadyDescriptor)],
            });
        }

        var said = new byte[1];
        var isReady = await ready.ReadAsync(said, cancellationToken).ConfigureAwait(false) == 1;
        return isReady ? 0 : (await child.Exited.WaitAsync(cancellationToken).ConfigureAwait(false)).ShellCode;
    }

    /// <summary>Tells the waiting first program, if there is one, and lets its output go: errors are in the log's file from now on.</summary>
    public static void Ready()
    {
        if (!int.TryParse(Environment.GetEnvironmentVariable(ReadyVariable), NumberStyles.None, CultureInfo.InvariantCulture, out var descriptor))
        {
            return;
        }

        using var nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        _ = Interop.dup2((int)nothing.DangerousGetHandle(), 1);
        using var errors = StderrLog.OwnFile() is { } file ? StderrLog.Append(file, StderrLog.FileVariable) : null;
        _ = Interop.dup2((int)(errors ?? nothing).DangerousGetHandle(), 2);
        using var ready = new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.Write, 0);
        ready.WriteByte(1);
    }

    private static bool Names(byte[] entry, string variable) => entry.AsSpan().StartsWith(Encoding.UTF8.GetBytes(variable + "="));
}
