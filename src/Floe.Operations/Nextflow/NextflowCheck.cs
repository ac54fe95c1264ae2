using System.Globalization;
using System.Text.RegularExpressions;
using Floe.Operations.Planning;
using Floe.S3;

namespace Floe.Operations.Nextflow;

/// <summary>What is known of the place where the tasks will run; null parts are not known.</summary>
public sealed record NextflowSurroundings
{
    /// <summary>Region of the work directory's bucket.</summary>
    public string? BucketRegion { get; init; }

    /// <summary>Types that the queue may choose, judged.</summary>
    public IReadOnlyList<Estimate>? Types { get; init; }

    /// <summary>Why the bucket or the types are not known, for people.</summary>
    public string? Unknown { get; init; }
}

/// <summary>Says of a configuration, line by line, what snapshots on AWS Batch will miss. No input or output of its own.</summary>
public static partial class NextflowCheck
{
    private const string Layer = "'https://…/floe-amd64.json', what 'floe layer build' prints";

    public static IReadOnlyList<Finding> Run(NextflowConfig config, NextflowSurroundings surroundings)
    {
        List<Finding> findings =
        [
            .. Executor(config), Fusion(config), Wave(config), ContainerConfig(config), Privileged(config), .. Attempts(config), WorkDirectory(config), Region(config, surroundings),
            Storage(config), Platform(config), .. Types(config, surroundings), Limits(config, surroundings), ErrorStrategy(config), .. Others(config),
        ];
        return [.. findings.Where(f => f.Check.Length > 0).OrderBy(f => f.Line ?? int.MaxValue)];
    }

    private static IEnumerable<Finding> Executor(NextflowConfig config)
    {
        const string Check = "executor";
        if (config.Find("process.executor") is not { } executor)
        {
            yield return Missing(Check, "process.executor is not set: tasks run on this machine, not on AWS Batch", "process.executor = 'awsbatch'", config, "process.executor");
        }

        foreach (var entry in config.Directive("executor"))
        {
            yield return entry.IsExpression ? WorkedOut(Check, entry, "process.executor = 'awsbatch'")
                : entry.Word == "awsbatch" ? new Finding(FindingStatus.Pass, Check, $"{entry.Path} is awsbatch", null, entry.Line)
                : new Finding(entry.Path == "process.executor" ? FindingStatus.Fail : FindingStatus.Warn, Check, $"{entry.Path} is '{entry.Word}': its tasks do not run on AWS Batch, and nothing takes snapshots of them there", "process.executor = 'awsbatch'", entry.Line);
        }

        if (config.Directive("queue").FirstOrDefault() is null)
        {
            yield return Missing("queue", "process.queue is not set: AWS Batch does not know where to run", "process.queue = 'the Spot job queue'", config, "process.queue");
        }
    }

    private static Finding Fusion(NextflowConfig config) => Switch(config, "fusion", "fusion.enabled", "tasks do not start through the layer's launcher, so nothing can freeze them");

    private static Finding Wave(NextflowConfig config) => Switch(config, "wave", "wave.enabled", "no layer is added to the containers");

    private static Finding ContainerConfig(NextflowConfig config)
    {
        const string Path = "fusion.containerConfigUrl", Fix = $"{Path} = {Layer}";
        var entry = config.Find(Path);
        if (entry is null)
        {
            var closed = config.Find("fusion.snapshots") is { Truth: true } snapshots ? snapshots : null;
            return new Finding(FindingStatus.Fail, "layer", closed is null ? $"{Path} is not set: containers get Fusion without Floe" : "fusion.snapshots without fusion.containerConfigUrl takes Fusion's own snapshot layer", Fix, closed?.Line);
        }

        return entry.IsExpression || Uri.TryCreate(entry.Word, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" or "file"
            ? new Finding(FindingStatus.Pass, "layer", $"{Path} is {entry.Word}", null, entry.Line)
            : new Finding(FindingStatus.Fail, "layer", $"{Path} is '{entry.Word}', which is neither an http(s): nor a file: address", Fix, entry.Line);
    }

    private static Finding Privileged(NextflowConfig config) => config.Find("fusion.privileged") is { Truth: false } entry
        ? new Finding(FindingStatus.Fail, "privileged", "fusion.privileged is false: without it a container on AWS Batch has neither /dev/fuse nor the rights that freezing needs", "remove the line, or set it to true", entry.Line)
        : Nothing;

    private static IEnumerable<Finding> Attempts(NextflowConfig config)
    {
        const string Path = "aws.batch.maxSpotAttempts", Fix = $"{Path} = 5";
        if (config.Find(Path) is not { } entry)
        {
            yield return Missing("spot-attempts", $"{Path} is not set: AWS Batch does not start a reclaimed task again, so no snapshot is ever restored", Fix, config, Path);
            yield break;
        }

        yield return entry.Number switch
        {
            null when entry.IsExpression => WorkedOut("spot-attempts", entry, Fix),
            0 => new Finding(FindingStatus.Fail, "spot-attempts", $"{Path} is 0: what that means differs between versions of Nextflow, and with most of them a reclaimed task is not started again", Fix, entry.Line),
            1 => new Finding(FindingStatus.Fail, "spot-attempts", $"{Path} is 1: the first attempt is all there is", Fix, entry.Line),
            > 1 and <= 10 and var attempts => new Finding(FindingStatus.Pass, "spot-attempts", $"{Path} is {attempts}: a task survives {attempts - 1} reclaims", null, entry.Line),
            _ => new Finding(FindingStatus.Fail, "spot-attempts", $"{Path} is '{entry.Word}'; AWS Batch takes 1 to 10", Fix, entry.Line),
        };
    }

    private static Finding WorkDirectory(NextflowConfig config)
    {
        if (config.Find("workDir") is not { } entry)
        {
            return new Finding(FindingStatus.Warn, "work-directory", "workDir is not set here", "workDir = 's3://bucket/work', or run with -work-dir s3://bucket/work");
        }

        return entry.IsExpression ? WorkedOut("work-directory", entry, "workDir = 's3://bucket/work'")
            : entry.Word.StartsWith("s3://", StringComparison.Ordinal) && StoreUrl.TryParse(entry.Word, out _) is not null ? new Finding(FindingStatus.Pass, "work-directory", $"workDir is {entry.Word}", null, entry.Line)
            : new Finding(FindingStatus.Fail, "work-directory", $"workDir is '{entry.Word}', which is not in S3: tasks on AWS Batch cannot reach it", "workDir = 's3://bucket/work'", entry.Line);
    }

    private static Finding Region(NextflowConfig config, NextflowSurroundings surroundings)
    {
        var entry = config.Find("aws.region");
        if (entry is null)
        {
            return new Finding(FindingStatus.Warn, "region", "aws.region is not set: it depends on the environment of whoever starts Nextflow", surroundings.BucketRegion is { } r ? $"aws.region = '{r}'" : "aws.region = '…', that of the work directory's bucket");
        }

        return entry.IsExpression ? WorkedOut("region", entry, "aws.region = '…', that of the work directory's bucket")
            : surroundings.BucketRegion is not { } region
            ? new Finding(FindingStatus.Warn, "region", $"aws.region is {entry.Word}; whether the work directory's bucket is there too could not be looked at{Because(surroundings)}", "compare with: aws s3api get-bucket-location --bucket NAME", entry.Line)
            : region == entry.Word
                ? new Finding(FindingStatus.Pass, "region", $"aws.region is {region}, and so is the work directory's bucket's", null, entry.Line)
                : new Finding(FindingStatus.Fail, "region", $"aws.region is {entry.Word}, but the work directory's bucket is in {region}: snapshots would go a long way, slowly and for money", "use a bucket in the same region, or run in the bucket's", entry.Line);
    }

    private static Finding Storage(NextflowConfig config)
    {
        const string Path = "aws.batch.volumes", Fix = $"{Path} = '/scratch/fusion:/tmp' (the NVMe that 'floe forge' mounts there)";
        if (config.Find(Path) is not { } entry)
        {
            return Missing("fast-storage", $"{Path} is not set: the file system's cache lies on the root disk, which is slow and small", Fix, config, Path);
        }

        return entry.IsExpression ? WorkedOut("fast-storage", entry, Fix)
            : entry.Words.Any(v => v.Split(':') is [_, "/tmp", ..] or ["/tmp"]) ? new Finding(FindingStatus.Pass, "fast-storage", $"{Path} mounts {entry.Words.First(v => v.Split(':') is [_, "/tmp", ..] or ["/tmp"])}", null, entry.Line)
            : new Finding(FindingStatus.Fail, "fast-storage", $"{Path} is '{entry.Word}', of which nothing is mounted at /tmp, where the cache lies", Fix, entry.Line);
    }

    private static Finding Platform(NextflowConfig config) => config.Find("aws.batch.platformType") is { } entry && entry.Word.Contains("fargate", StringComparison.OrdinalIgnoreCase)
        ? new Finding(FindingStatus.Fail, "platform", "aws.batch.platformType is Fargate, where containers have no rights to be frozen", "use a compute environment of EC2 Spot machines", entry.Line)
        : Nothing;

    private static IEnumerable<Finding> Types(NextflowConfig config, NextflowSurroundings surroundings)
    {
        if (surroundings.Types is not { } types)
        {
            yield return new Finding(FindingStatus.Warn, "instance-types", $"which types the queue chooses from, and their image, could not be looked at{Because(surroundings)}", "name them (--type), or ask with credentials: floe doctor QUEUE");
            yield break;
        }

        foreach (var type in types.Where(t => t.Verdict is not Verdict.Fits))
        {
            yield return new Finding(FindingStatus.Fail, "instance-types",
                Invariant($"{type.Type}: {type.ResidentGiB:0.#} GiB over {type.BaselineGbps:0.##} Gbps take {type.EverythingSeconds:0} s of {type.BudgetSeconds:0}"),
                type.MemoryThatFitsGiB >= 1 ? Invariant($"leave the type out, or limit its tasks to {Math.Floor(type.MemoryThatFitsGiB):0} GB together; floe plan --memory SIZE names better ones") : "leave the type out; floe plan --memory SIZE names better ones");
        }

        if (types.Count > 0 && types.All(t => t.Verdict is Verdict.Fits))
        {
            yield return new Finding(FindingStatus.Pass, "instance-types", $"a full machine can be saved in time on {(types.Count <= 4 ? string.Join(", ", types.Select(t => t.Type)) : $"all {types.Count} types")}");
        }
    }

    private static Finding Limits(NextflowConfig config, NextflowSurroundings surroundings)
    {
        var limit = surroundings.Types is { Count: > 0 } types ? Planner.Limits(types) : null;
        var fix = limit is null ? "process.resourceLimits = [memory: '…'] as 'floe plan TYPE…' says" : $"process.resourceLimits = [memory: '{limit.MemoryGiB} GB', cpus: {limit.Cpus}]";
        if (config.Find("process.resourceLimits") is not { } entry)
        {
            return Missing("resource-limits", "process.resourceLimits is not set: a retried task may ask for more memory than can be saved in time", fix, config, "process.resourceLimits", FindingStatus.Warn);
        }

        return MemoryOf(entry.Text) is { } asked && limit is not null && asked > limit.MemoryGiB
            ? new Finding(FindingStatus.Fail, "resource-limits", Invariant($"process.resourceLimits lets a task have {asked:0.#} GB, of which only {limit.MemoryGiB} can be saved in time on every type"), fix, entry.Line)
            : new Finding(FindingStatus.Pass, "resource-limits", $"process.resourceLimits is {entry.Text.ReplaceLineEndings(" ")}", null, entry.Line);
    }

    private static Finding ErrorStrategy(NextflowConfig config)
    {
        const string Fix = "process.errorStrategy = { task.exitStatus in ((130..145) + 104 + (174..176)) ? 'retry' : 'finish' }";
        return config.Find("process.errorStrategy") switch
        {
            null => Missing("error-strategy", "process.errorStrategy is not set: a snapshot or restore that failed (174 to 176) ends the whole run", Fix, config, "process.errorStrategy", FindingStatus.Warn),
            { IsExpression: false, Word: "retry" } entry => new Finding(FindingStatus.Pass, "error-strategy", "process.errorStrategy retries whatever fails", null, entry.Line),
            { IsExpression: false } entry => new Finding(FindingStatus.Warn, "error-strategy", $"process.errorStrategy is '{entry.Word}': a snapshot or restore that failed (174 to 176) is not tried again", Fix, entry.Line),
            var entry when entry.Text.Contains("retry", StringComparison.Ordinal) && Codes(entry.Text) => new Finding(FindingStatus.Pass, "error-strategy", "process.errorStrategy retries 175 and 176", null, entry.Line),
            var entry => new Finding(FindingStatus.Warn, "error-strategy", "process.errorStrategy does not name 175 and 176, with which a failed snapshot or restore ends", Fix, entry.Line),
        };
    }

    private static IEnumerable<Finding> Others(NextflowConfig config)
    {
        foreach (var entry in config.Directive("scratch").Where(e => e.Word is not ("false" or "null")))
        {
            yield return new Finding(FindingStatus.Warn, "scratch", $"{entry.Path} is {entry.Word}: with Fusion tasks work in the mounted work directory, and a copy outside travels with every snapshot", "remove the line", entry.Line);
        }

        if (config.Includes is { Count: > 0 } includes)
        {
            var (first, more) = (includes[0], includes.Skip(1).ToList());
            var others = more.Count == 0 ? "" : $", and {more.Count} more (line{(more.Count == 1 ? "" : "s")} {string.Join(", ", more.Take(8).Select(i => i.Line))}{(more.Count > 8 ? ", …" : "")}),";
            yield return new Finding(FindingStatus.Warn, "include", $"includeConfig {first.Text}{others} {(more.Count == 0 ? "is" : "are")} not followed", "nextflow config -flat | floe nextflow check -", first.Line);
        }
    }

    private static Finding WorkedOut(string check, ConfigEntry entry, string fix) =>
        new(FindingStatus.Warn, check, $"{entry.Path} is worked out by Nextflow ({entry.Text.ReplaceLineEndings(" ")}); check the output of 'nextflow config -flat'", fix, entry.Line);

    private static Finding Nothing { get; } = new(FindingStatus.Pass, "", "");

    private static Finding Switch(NextflowConfig config, string check, string path, string off) => config.Find(path) switch
    {
        null => Missing(check, $"{path} is not set: {off}", $"{path} = true", config, path),
        { Truth: true } entry => new Finding(FindingStatus.Pass, check, $"{path} is true", null, entry.Line),
        { IsExpression: true } entry => WorkedOut(check, entry, $"{path} = true"),
        var entry => new Finding(FindingStatus.Fail, check, $"{path} is {entry.Word}: {off}", $"{path} = true", entry.Line),
    };

    private static Finding Missing(string check, string detail, string fix, NextflowConfig config, string path, FindingStatus status = FindingStatus.Fail)
    {
        var inProfiles = config.Entries.Where(e => e.Path.StartsWith("profiles.", StringComparison.Ordinal) && e.Path.EndsWith("." + path, StringComparison.Ordinal)).Select(e => e.Path.Split('.')[1]).Distinct().ToList();
        return new Finding(status, check, detail, inProfiles.Count > 0 ? $"{fix}; or check with --profile {string.Join(" or ", inProfiles)}, which sets it" : fix);
    }

    private static string Because(NextflowSurroundings surroundings) => surroundings.Unknown is { } why ? $" ({why})" : "";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Whether 175 and 176 stand there, as numbers or inside a range.</summary>
    private static bool Codes(string text)
    {
        var ranges = Range().Matches(text).Select(m => (From: int.Parse(m.Groups[1].ValueSpan, CultureInfo.InvariantCulture), To: int.Parse(m.Groups[2].ValueSpan, CultureInfo.InvariantCulture))).ToList();
        var numbers = Whole().Matches(text).Select(m => int.Parse(m.ValueSpan, CultureInfo.InvariantCulture)).ToHashSet();
        return ((int[])[175, 176]).All(code => numbers.Contains(code) || ranges.Any(r => r.From <= code && code <= r.To));
    }

    /// <summary>GiB of a limit's memory, written as '60 GB' or 60.GB; null when it is not to be made out.</summary>
    private static double? MemoryOf(string text)
    {
        var match = Memory().Match(text);
        return match.Success && double.TryParse(match.Groups[1].ValueSpan, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount)
            ? match.Groups[2].Value.ToUpperInvariant() switch { "MB" => amount / 1024, "TB" => amount * 1024, _ => amount }
            : null;
    }

    [GeneratedRegex(@"(\d{1,6})\s*\.\.\s*(\d{1,6})")]
    private static partial Regex Range();

    [GeneratedRegex(@"\b\d{1,6}\b")]
    private static partial Regex Whole();

    [GeneratedRegex(@"memory\s*:\s*['""]?\s*(\d+(?:\.\d+)?)\s*\.?\s*(MB|GB|TB)", RegexOptions.IgnoreCase)]
    private static partial Regex Memory();
}
