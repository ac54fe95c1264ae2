using Floe.Agent.Files;
using Floe.Agent.Trace;

namespace Floe.Agent.Run;

/// <summary>Which files belong to the task of a run.</summary>
internal static class FileScopes
{
    /// <summary>What the user chose, without what is Floe's own: its state, its program, its output, a store that is a folder.</summary>
    /// <exception cref="FloeException">A folder that was named cannot be taken.</exception>
    public static FileScope For(RunOptions options, Bundle bundle)
    {
        // CRIU keeps what it learned of the kernel in /run.
        List<string> own = [options.StateDirectory, bundle.Root, "/run/criu.kdat", .. OwnOutput.Files("/proc/self/fd")];
        if (options.Store.Scheme == "file")
        {
            own.Add(options.Store.Path);
        }

        if (Environment.GetEnvironmentVariable("FLOE_LOG_FILE") is { Length: > 0 } log)
        {
            own.Add(Path.GetFullPath(log));
        }

        if (options.TraceFile is { } trace)
        {
            own.Add(trace);
            own.Add(FileTraceTarget.Temporary(trace));
        }

        if (options.Mount is { } mount)
        {
            own.Add(mount.Directory);
            own.Add(mount.Contents.CacheFolder);
        }

        try
        {
            return FileScope.Create(new FileScopeOptions
            {
                Mode = options.Files,
                WorkingDirectory = options.WorkingDirectory,
                Include = options.Include,
                Exclude = options.Exclude,
                AgentPaths = own,
            });
        }
        catch (FileStateException e)
        {
            throw new FloeException(ExitCodes.Usage, e.Message, e);
        }
    }
}
