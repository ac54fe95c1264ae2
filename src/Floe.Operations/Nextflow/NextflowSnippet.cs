using System.Text;
using Floe.Operations.Planning;

namespace Floe.Operations.Nextflow;

/// <summary>What a snippet for nextflow.config is made from; null parts are left to the user.</summary>
public sealed record SnippetRequest
{
    public string? WorkDirectory { get; init; }

    public string? Region { get; init; }

    public string? Queue { get; init; }

    /// <summary>Address of the layer's configuration.</summary>
    public string? LayerUrl { get; init; }

    /// <summary>Attempts in all, 2 to 10.</summary>
    public int SpotAttempts { get; init; } = 5;

    /// <summary>HOST:CONTAINER.</summary>
    public string Volume { get; init; } = "/scratch/fusion:/tmp";

    public ResourceLimits? Limits { get; init; }
}

/// <summary>The lines that a pipeline needs; what it prints passes <see cref="NextflowCheck"/> where all parts were given.</summary>
public static class NextflowSnippet
{
    public static string Write(SnippetRequest request)
    {
        var text = new StringBuilder();
        text.AppendLine("// Snapshots on AWS Batch Spot with Floe. Check with: nextflow config -flat | floe nextflow check -");
        Line("workDir", request.WorkDirectory, "s3://BUCKET/work, in the region of the compute environment");
        text.AppendLine().AppendLine("process {");
        text.AppendLine("  executor = 'awsbatch'");
        Line("  queue", request.Queue, "the job queue on Spot machines");
        text.AppendLine("  // 174 store, 175 snapshot, 176 restore failed; 104 and 130 to 145 are the usual ends of tasks that may succeed the next time.");
        text.AppendLine("  errorStrategy = { task.exitStatus in ((130..145) + 104 + (174..176)) ? 'retry' : 'finish' }");
        text.AppendLine("  maxRetries = 2");
        if (request.Limits is { } limits)
        {
            text.AppendLine("  // What can be saved before the machine is gone, on every type of the queue.");
            text.Append("  resourceLimits = [memory: '").Append(limits.MemoryGiB).Append(" GB', cpus: ").Append(limits.Cpus).AppendLine("]");
        }
        else
        {
            text.AppendLine("  // resourceLimits = [memory: '…', cpus: …]   as 'floe plan TYPE…' says for the queue's types");
        }

        text.AppendLine("}").AppendLine().AppendLine("aws {");
        Line("  region", request.Region, "that of the bucket and the compute environment");
        text.AppendLine("  batch {");
        text.AppendLine("    // Each attempt after the first goes on from the snapshot of the one before.");
        text.Append("    maxSpotAttempts = ").Append(request.SpotAttempts).AppendLine();
        text.AppendLine("    // The machine's NVMe, as 'floe forge' mounts it: cache of the file system.");
        text.Append("    volumes = ").AppendLine(Quote(request.Volume));
        text.AppendLine("  }").AppendLine("}").AppendLine().AppendLine("fusion {").AppendLine("  enabled = true");
        Line("  containerConfigUrl", request.LayerUrl, "the configuration of Floe's layer, https://…/floe-amd64.json");
        text.AppendLine("}").AppendLine().AppendLine("wave {").AppendLine("  enabled = true").AppendLine("}");
        return text.ToString();

        void Line(string name, string? value, string meaning) => text.AppendLine(value is null
            ? $"{name[..^name.TrimStart().Length]}// {name.TrimStart()} = '…'   {meaning}"
            : $"{name} = {Quote(value)}");
    }

    /// <summary>A Groovy string in which nothing is worked out.</summary>
    private static string Quote(string text) => $"'{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";
}
