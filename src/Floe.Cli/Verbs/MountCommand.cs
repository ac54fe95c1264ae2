using System.CommandLine;
using System.Runtime.InteropServices;
using Floe.Agent;
using Floe.Agent.Launch;
using Floe.Cli.Console;
using Floe.FileSystem;
using Floe.FileSystem.Content;
using Floe.FileSystem.Metadata;
using Floe.FileSystem.Serving;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe mount</c>: buckets as a file system.</summary>
internal static class MountCommand
{
    private const string CacheSizeVariable = "FUSION_CACHE_SIZE";
    private const string TagsVariable = "FUSION_TAGS";

    // A file's name has room for so many characters of any script.
    private const int MaxLogName = 60;

    private static readonly Option<string?> s_root = EnvironmentOption.Text("--store-root", "URL",
        "The folder of a bucket to mount: s3://bucket or s3://bucket/prefix. Default: every bucket, at DIR/s3/BUCKET");
    private static readonly Option<bool> s_daemon = EnvironmentOption.Switch("--daemon",
        "Go into the background once mounted; the log goes to FLOE_LOG_FILE. Default: a file in the cache folder with the name of DIR, like mnt-run7.log");
    private static readonly Option<string?> s_cache = EnvironmentOption.Text("--cache-folder", "DIR",
        "Where bytes are kept that are read ahead or not uploaded yet; mounts may share it. Default: a folder in /tmp");
    private static readonly Option<string?> s_cacheSize = EnvironmentOption.Text("--cache-size", "SIZE",
        "Its limit, like 500M or 20G; FUSION_CACHE_SIZE counts too. Default: four fifths of what is free there", other: CacheSizeVariable);
    private static readonly Option<string?> s_tags = EnvironmentOption.Text("--tags", "RULES",
        "Tags of the objects that are written, by name: [pattern|pattern](name=value),[*](name=value); FUSION_TAGS counts too", other: TagsVariable);
    private static readonly Option<string?> s_umask = EnvironmentOption.Text("--umask", "MODE",
        "Taken off 777 for what carries no permissions of its own", "022");
    private static readonly Argument<string> s_directory = new("DIR") { Description = "An existing folder" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("mount", """
            Mount buckets as a file system.

            Runs until it is unmounted (umount, fusermount3 -u) or gets SIGINT, SIGTERM, SIGQUIT or SIGHUP (its terminal is gone); what was written is
            in the bucket then. A second signal ends it at once, but SIGHUP. docs/semantics.md says what the mount promises.

            Exit status: 0; 174 it cannot be mounted (no /dev/fuse, no CAP_SYS_ADMIN), or something could not be brought to the bucket (its bytes are
            kept and named); 2 wrong usage.

            Examples:
              floe mount /fusion                        a bucket's key is at /fusion/s3/BUCKET/KEY
              floe mount --store-root s3://data/run7 /mnt/run7 --daemon
            """);
        foreach (var option in (Option[])[s_root, s_daemon, s_cache, s_cacheSize, s_tags, s_umask])
        {
            command.Options.Add(option);
        }

        command.Arguments.Add(s_directory);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var directory = MountPoint(parsed.GetValue(s_directory)!);
        var options = Options(parsed);
        var contents = Contents(parsed);
        if (parsed.GetValue(s_daemon))
        {
            return await Daemon.StartAsync("--daemon", "FLOE_DAEMON", LogFile(contents.CacheFolder, directory), cancellationToken).ConfigureAwait(false);
        }

        var ownsCache = !Directory.Exists(contents.CacheFolder);
        var buckets = BucketServices.Open(StoreOptions.FromEnvironment(), log);
        try
        {
            await using (buckets.ConfigureAwait(false))
            {
                return await ServeAsync(directory, buckets, options, contents, log, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            if (ownsCache)
            {
                RemoveEmpty(contents.CacheFolder);
            }
        }
    }

    private static async Task<int> ServeAsync(
        string directory, IBucketService buckets, FileSystemOptions options, ContentStoreOptions contents, ILoggerFactory log, CancellationToken cancellationToken)
    {
        using var signals = new Signals();
        await using var mount = Start(directory, buckets, options, contents, log);
        Daemon.Ready();
        await Task.WhenAny(mount.Ended, signals.First).WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var failures = await mount.UnmountAsync(signals.Second).ConfigureAwait(false);
            return failures.Count == 0 ? 0 : ExitCodes.StoreError;
        }
        catch (OperationCanceledException)
        {
            throw new FloeException(ExitCodes.StoreError, "given up by a second signal; files that were being written may be missing from the bucket");
        }
    }

    /// <exception cref="FloeException">The kernel does not let it.</exception>
    private static FileSystemMount Start(string directory, IBucketService buckets, FileSystemOptions options, ContentStoreOptions contents, ILoggerFactory log)
    {
        try
        {
            return FileSystemMount.Start(directory, buckets, options, contents, log, TimeProvider.System, FuseOptions());
        }
        catch (Exception e) when (e is LinuxException or FuseException)
        {
            throw new FloeException(ExitCodes.StoreError, $"nothing can be mounted on {directory}: {e.Message}; 'floe check' says what is missing", e);
        }
    }

    /// <summary>FLOE_MOUNT_PASSTHROUGH=0 is for the benchmarks: it makes a new kernel as one that cannot read the cache by itself.</summary>
    private static FuseServerOptions FuseOptions() => new() { MayPassThrough = Environment.GetEnvironmentVariable("FLOE_MOUNT_PASSTHROUGH") != "0" };

    private static string MountPoint(string text)
    {
        var directory = Path.GetFullPath(text);
        // A folder whose server was killed is there too, though it says ENOTCONN.
        return directory == "/" || File.Exists(directory) || (!Directory.Exists(directory) && !FuseServer.IsMountPoint(directory))
            ? throw new FloeException(ExitCodes.Usage, $"'{text}' is no folder to mount on; make it first: mkdir -p {text}")
            : directory;
    }

    private static FileSystemOptions Options(ParseResult parsed)
    {
        var umask = parsed.GetValue(s_umask)!;
        var options = Options(parsed.GetValue(s_root), EnvironmentOption.Source(parsed, s_root), parsed.GetValue(s_tags), EnvironmentOption.Source(parsed, s_tags, TagsVariable));
        return umask.Length is 0 or > 4 || umask.Any(c => c is < '0' or > '7')
            ? throw new FloeException(ExitCodes.Usage, $"{EnvironmentOption.Source(parsed, s_umask)} takes an octal mode like 022; not '{umask}'")
            : options with { UMask = Convert.ToUInt32(umask, 8) & 0x1FF };
    }

    /// <summary>What a mount shows, for whoever makes one.</summary>
    /// <param name="storeSource">What the store was given by: an option or a variable.</param>
    /// <param name="tagsSource">The same of the tags.</param>
    internal static FileSystemOptions Options(string? store, string storeSource, string? tags, string tagsSource)
    {
        BucketFolder? root = null;
        if (store is { } text)
        {
            var url = StoreUrl.TryParse(text, out var error) ?? throw new FloeException(ExitCodes.Usage, $"{storeSource}: {error}");
            root = url.Scheme == "s3"
                ? new BucketFolder(url.Container, url.Path.Length == 0 ? "" : url.Path + "/")
                : throw new FloeException(ExitCodes.Usage, $"{storeSource} '{text}': only buckets can be mounted; write s3://bucket/prefix");
        }

        var rules = TagRules.TryParse(tags ?? "", out var fault) ?? throw new FloeException(ExitCodes.Usage, $"{tagsSource}: {fault}");
        return new FileSystemOptions { Root = root, Tags = rules, Uid = Interop.geteuid(), Gid = Interop.getegid() };
    }

    private static ContentStoreOptions Contents(ParseResult parsed)
    {
        var folder = parsed.GetValue(s_cache) ?? CachePlace.Make();
        return new ContentStoreOptions { CacheFolder = Path.GetFullPath(folder), MaxCacheBytes = parsed.GetValue(s_cacheSize) is { } size ? Size(size, EnvironmentOption.Source(parsed, s_cacheSize, CacheSizeVariable)) : null };
    }

    /// <param name="source">What it was given by: an option or a variable.</param>
    internal static long Size(string text, string source) => Sizes.TryParse(text, 1)
        ?? throw new FloeException(ExitCodes.Usage, $"{source}: '{text}' is no size; write a number with K, M, G or T behind it, like 500M or 20GiB");

    /// <summary>Beside the bytes that could not be uploaded, of which it tells. It stays when the mount has ended.</summary>
    private static string LogFile(string cacheFolder, string directory)
    {
        Directory.CreateDirectory(cacheFolder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var name = directory.Trim('/').Replace('/', '-');
        return Path.Combine(cacheFolder, $"{(name.Length > MaxLogName ? name[^MaxLogName..] : name)}.log");
    }

    private static void RemoveEmpty(string folder)
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (IOException)
        {
            // What could not be uploaded is kept there, or there is nothing.
        }
    }

    /// <summary>The first signal asks for the end, the second for an end at once.</summary>
    private sealed class Signals : IDisposable
    {
        // One that was ignored before, as nohup has it with SIGHUP, stays so: the runtime sees to that.
        private static readonly PosixSignal[] s_ending = [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT];

        private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationTokenSource _second = new();
        private readonly PosixSignalRegistration[] _registrations;

        public Signals() => _registrations = [.. s_ending.Select(signal => PosixSignalRegistration.Create(signal, Take))];

        public Task First => _first.Task;

        public CancellationToken Second => _second.Token;

        public void Dispose()
        {
            Array.ForEach(_registrations, r => r.Dispose());
            _second.Dispose();
        }

        private void Take(PosixSignalContext context)
        {
            context.Cancel = true;
            // Of a terminal that goes both the kernel and the shell tell: nobody asks for haste.
            if (!_first.TrySetResult() && context.Signal != PosixSignal.SIGHUP)
            {
                _second.Cancel();
            }
        }
    }
}
