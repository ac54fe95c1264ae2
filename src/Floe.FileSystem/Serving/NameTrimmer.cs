using Floe.FileSystem.Operations;
using Floe.Fuse;

namespace Floe.FileSystem.Serving;

/// <summary>
/// Keeps what a walk over millions of files leaves in memory within <see cref="FileSystemOptions.MaxKnownNames"/>. The kernel remembers every name that it
/// was told of until it runs short of memory itself, and as long as it does the node must stay; from time to time it is asked to give back those that
/// nobody holds. To take single names away (FUSE_NOTIFY_INVAL_ENTRY) would not do: the kernel does that to names that are in use, too.
/// </summary>
internal sealed class NameTrimmer(ObjectFileSystem files, FuseServer server, TimeProvider time)
{
    /// <summary>The kernel's answers come in requests of their own. Until they are there it is not asked again.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(250);

    /// <summary>Ends when the mount does, or at once where the kernel refuses.</summary>
    public async Task RunAsync()
    {
        for (var limit = files.MaxKnownNames; ; )
        {
            await Task.WhenAny(files.WaitForNamesAsync(limit), server.Ended).ConfigureAwait(false);
            var made = files.NamesMade;
            // On a thread of its own: the kernel can ask this very process to take pages first.
            if (server.Ended.IsCompleted || !await Task.Factory.StartNew(server.ForgetUnused, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false))
            {
                return;
            }

            await Task.Delay(s_pause, time).ConfigureAwait(false);
            // What is left of those from before is in use; to ask for each name more would be to ask always.
            var used = files.KnownNames - (files.NamesMade - made);
            limit = (int)Math.Max(files.MaxKnownNames, used + (used / 4));
        }
    }
}
