using System.Text;
using Floe.FileSystem;

namespace Floe.Agent.Launch;

/// <summary>
/// The line by which Nextflow starts a task in a container that has Fusion's layer:
/// <c>/usr/bin/fusion bash /fusion/s3/BUCKET/PREFIX/.command.run</c>, or any other command. The layer's entrypoint may put the name there twice.
/// </summary>
public sealed record FusionLine
{
    /// <summary>Where the buckets appear.</summary>
    public const string MountDirectory = "/fusion";

    /// <summary>Below the work directory: the store of the task's snapshots.</summary>
    public const string StoreFolder = ".floe";

    private const string ProgramName = "fusion";
    private const string BucketsPrefix = MountDirectory + "/s3/";
    private const string Script = "/.command.run";

    /// <summary>What is run, byte for byte.</summary>
    public required IReadOnlyList<byte[]> Command { get; init; }

    /// <summary>The task's work directory in its bucket; null: the command has none.</summary>
    public BucketFolder? Work { get; init; }

    /// <summary>Whether a program was called by this name.</summary>
    public static bool IsName(ReadOnlySpan<byte> argument) => argument[(argument.LastIndexOf((byte)'/') + 1)..].SequenceEqual("fusion"u8);

    /// <param name="arguments">Of the process, its own name first.</param>
    /// <param name="variable">FUSION_WORK, WAVE_ENTRY_CHAIN.</param>
    /// <exception cref="FloeException">There is no command, or its work directory is in no bucket.</exception>
    public static FusionLine Parse(IReadOnlyList<byte[]> arguments, Func<string, string?> variable)
    {
        var command = arguments.Skip(1).ToList();
        if (command.Count > 0 && IsName(command[0]))
        {
            command.RemoveAt(0);
        }

        if (command.Count == 0)
        {
            throw new FloeException(ExitCodes.Usage, $"no command given; write: {ProgramName} COMMAND [ARG…], for instance {ProgramName} bash {BucketsPrefix}BUCKET/runs/ab/cdef{Script}");
        }

        // The command's own directory counts first: FUSION_WORK is of no use if it names another one.
        var work = command.Select(Encoding.UTF8.GetString).LastOrDefault(a => a.StartsWith(MountDirectory + "/", StringComparison.Ordinal) && a.EndsWith(Script, StringComparison.Ordinal));
        var (name, directory) = work is not null ? ("the command", work[..^Script.Length]) : ("FUSION_WORK", variable("FUSION_WORK"));
        return new FusionLine
        {
            Command = [.. EntryChain(variable("WAVE_ENTRY_CHAIN")), .. command],
            Work = string.IsNullOrEmpty(directory) ? null : WorkOf(name, directory),
        };
    }

    /// <summary>
    /// The entrypoint that the image had before Wave put ours in its place; it gets the command, as it would have. Wave joins its words with blanks,
    /// so a program whose own name has blanks is looked for first.
    /// </summary>
    private static IEnumerable<byte[]> EntryChain(string? chain) =>
        string.IsNullOrWhiteSpace(chain) ? []
        : File.Exists(chain) ? [Encoding.UTF8.GetBytes(chain)]
        : chain.Split(' ', StringSplitOptions.RemoveEmptyEntries).SkipWhile(word => IsName(Encoding.UTF8.GetBytes(word))).Select(Encoding.UTF8.GetBytes);

    private static BucketFolder WorkOf(string name, string directory)
    {
        var parts = directory.TrimEnd('/').Split('/');
        if (!directory.StartsWith(BucketsPrefix, StringComparison.Ordinal))
        {
            throw new FloeException(ExitCodes.Usage, $"{name} names the work directory '{directory}', which is in no S3 bucket; Floe takes {BucketsPrefix}BUCKET/… only");
        }

        return parts.Length < 5 || parts.Skip(3).Any(static part => part is "" or "." or "..")
            ? throw new FloeException(ExitCodes.Usage, $"{name} names the work directory '{directory}', which is no folder of a bucket; Floe takes {BucketsPrefix}BUCKET/FOLDER…")
            : new BucketFolder(parts[3], string.Join('/', parts.Skip(4)) + "/");
    }
}
