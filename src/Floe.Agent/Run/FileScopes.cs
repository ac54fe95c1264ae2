using Floe.Agent.Control;
using Floe.Agent.Files;
using Floe.Agent.Trace;
using Floe.FileSystem.Content;
using Floe.Store;

namespace Floe.Agent.Run;

/// <summary>Which files belong to the task of a run.</summary>
internal static class FileScopes
{
    /// <summary>
    /// What the user chose, without what is Floe's own: its state, its program, its output, a store that is a folder. Of the folders that
    /// were named for these only what Floe makes in them: the bundle may lie in /usr/local, the state in /tmp, the store in the working directory.
    /// </summary>
    /// <exception cref="FloeException">A folder that was named cannot be taken.</exception>
    public static FileScope For(RunOptions options, Bundle bundle)
    {
        // CRIU keeps what it learned of the kernel in /run.
        List<string> own = [.. bundle.Parts, "/run/criu.kdat", .. OwnOutput.Files("/proc/self/fd")];
        List<AgentFolder> folders = [new AgentFolder(options.StateDirectory, [AgentDirectory.Names])];
        if (options is { Store.Scheme: "file", OwnsStore: true })
        {
            own.Add(options.Store.Path);
        }
        else if (options.Store.Scheme == "file")
        {
            folders.Add(new AgentFolder(options.Store.Path, SnapshotStore.FolderNames));
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
            folders.Add(new AgentFolder(mount.Contents.CacheFolder, ContentStore.FolderNames));
            MakeCache(mount.Contents.CacheFolder);
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
                AgentFolders = folders,
            });
        }
        catch (FileStateException e)
        {
            throw new FloeException(ExitCodes.Usage, e.Message, e);
        }
    }

    /// <summary>Before the files are listed: it is none that appeared when the mount comes, nor are the folders on the way to it.</summary>
    private static void MakeCache(string folder)
    {
        try
        {
            ContentStore.MakeFolder(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The mount will say so.
        }
    }
}
