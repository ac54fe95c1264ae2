using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Floe.Agent.Scheduler;

public enum SchedulerKind
{
    AwsBatch,
    Slurm,
}

/// <summary>
/// Which job of which scheduler this process is. A retried job keeps <see cref="JobId"/> and counts <see cref="Attempt"/> up: that is what makes
/// the second attempt find the first one's snapshots and take over its lease.
/// </summary>
/// <param name="JobId">Unique for the job (array element, node or step included) within the scheduler; [A-Za-z0-9._-] only.</param>
/// <param name="Attempt">From 1.</param>
/// <param name="Queue">Job queue or partition, for messages; null when not told.</param>
public sealed record SchedulerIdentity(SchedulerKind Kind, string JobId, int Attempt, string? Queue)
{
    /// <summary>Null outside AWS Batch and Slurm. Batch first: its containers never carry Slurm's variables by accident.</summary>
    public static SchedulerIdentity? FromEnvironment(Func<string, string?> getVariable)
    {
        ArgumentNullException.ThrowIfNull(getVariable);
        return BatchIdentity.FromEnvironment(getVariable) ?? SlurmIdentity.FromEnvironment(getVariable);
    }

    /// <summary>
    /// The key of a task that was given none. It holds a digest of the command and its working directory: one job may run several commands one
    /// after the other, and on a retry the first must never resume the snapshot of the second.
    /// </summary>
    public string DefaultTaskKey(IReadOnlyList<string> command, string workingDirectory)
    {
        ArgumentNullException.ThrowIfNull(command);
        ArgumentNullException.ThrowIfNull(workingDirectory);
        var text = new StringBuilder(workingDirectory);
        foreach (var argument in command)
        {
            // NUL can stand in no argument, so two different command lines never make the same text.
            text.Append('\0').Append(argument);
        }

        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())).AsSpan(0, 6));
        return $"{(Kind == SchedulerKind.AwsBatch ? "batch" : "slurm")}-{JobId}-{digest}";
    }

    /// <summary>Whether <paramref name="holder"/> is an earlier attempt of this very job: the scheduler runs one attempt at a time, so it is dead.</summary>
    public bool Supersedes(SchedulerIdentity holder)
    {
        ArgumentNullException.ThrowIfNull(holder);
        return holder.Kind == Kind && holder.JobId == JobId && holder.Attempt < Attempt;
    }

    /// <summary>Null for text that is no small number.</summary>
    internal static int? ParseCount(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value < 1_000_000 ? value : null;

    /// <summary>A scheduler's id with everything that a task key cannot hold made '-'; null when nothing is left or it is absurdly long.</summary>
    internal static string? Sanitize(string? text)
    {
        if (string.IsNullOrWhiteSpace(text) || text.Length > 160)
        {
            return null;
        }

        return new string([.. text.Trim().Select(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-')]);
    }
}
