using System.Globalization;

namespace Floe.Agent.Scheduler;

/// <summary>Slurm. Source: sbatch(1) and srun(1), "OUTPUT ENVIRONMENT VARIABLES".</summary>
public static class SlurmIdentity
{
    // Slurm names the batch script, the extern step and others by pseudo step ids from here up.
    private const uint FirstPseudoStepId = 0xffff_fff0;

    /// <summary>
    /// Null outside Slurm. A requeued job keeps SLURM_JOB_ID and raises SLURM_RESTART_COUNT; an array element is "array_task"; the parallel tasks
    /// of an srun step are told apart by step and rank. Job ids repeat between clusters, so the cluster's name is part of it where it is told.
    /// </summary>
    public static SchedulerIdentity? FromEnvironment(Func<string, string?> getVariable)
    {
        ArgumentNullException.ThrowIfNull(getVariable);
        if (SchedulerIdentity.Sanitize(getVariable("SLURM_JOB_ID") ?? getVariable("SLURM_JOBID")) is not { } jobId)
        {
            return null;
        }

        if (SchedulerIdentity.Sanitize(getVariable("SLURM_ARRAY_JOB_ID")) is { } arrayId
            && SchedulerIdentity.ParseCount(getVariable("SLURM_ARRAY_TASK_ID")) is { } element)
        {
            jobId = $"{arrayId}_{element}";
        }

        if (SchedulerIdentity.Sanitize(getVariable("SLURM_CLUSTER_NAME")) is { } cluster)
        {
            jobId = $"{cluster}-{jobId}";
        }

        if (uint.TryParse(getVariable("SLURM_STEP_ID") ?? getVariable("SLURM_STEPID"), NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            && step < FirstPseudoStepId)
        {
            jobId += $".{step}-{SchedulerIdentity.ParseCount(getVariable("SLURM_PROCID")) ?? 0}";
        }

        var restarts = SchedulerIdentity.ParseCount(getVariable("SLURM_RESTART_COUNT")) ?? 0;
        return new SchedulerIdentity(SchedulerKind.Slurm, jobId, restarts + 1, getVariable("SLURM_JOB_PARTITION"));
    }
}
