namespace Floe.Agent.Scheduler;

/// <summary>AWS Batch. Source: AWS Batch User Guide, "AWS Batch job environment variables".</summary>
public static class BatchIdentity
{
    /// <summary>
    /// Null outside Batch. The id of an array child is "parent:index", of a node of a multi-node job "parent#node"; should the index be told
    /// beside a bare id, it is appended. A missing attempt counts as the first.
    /// </summary>
    public static SchedulerIdentity? FromEnvironment(Func<string, string?> getVariable)
    {
        ArgumentNullException.ThrowIfNull(getVariable);
        var raw = getVariable("AWS_BATCH_JOB_ID");
        if (SchedulerIdentity.Sanitize(raw) is not { } jobId)
        {
            return null;
        }

        if (SchedulerIdentity.ParseCount(getVariable("AWS_BATCH_JOB_ARRAY_INDEX")) is { } index && !raw!.Contains(':'))
        {
            jobId += $"-{index}";
        }

        if (SchedulerIdentity.ParseCount(getVariable("AWS_BATCH_JOB_NODE_INDEX")) is { } node && !raw!.Contains('#'))
        {
            jobId += $"-n{node}";
        }

        var attempt = SchedulerIdentity.ParseCount(getVariable("AWS_BATCH_JOB_ATTEMPT")) ?? 1;
        return new SchedulerIdentity(SchedulerKind.AwsBatch, jobId, Math.Max(attempt, 1), getVariable("AWS_BATCH_JQ_NAME"));
    }
}
