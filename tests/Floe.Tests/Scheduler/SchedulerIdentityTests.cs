using Floe.Agent.Scheduler;
using Xunit;

namespace Floe.Tests.Scheduler;

public sealed class SchedulerIdentityTests
{
    private static SchedulerIdentity? From(params (string Name, string Value)[] variables) =>
        SchedulerIdentity.FromEnvironment(name => variables.FirstOrDefault(variable => variable.Name == name).Value);

    [Fact]
    public void FromEnvironment_NoScheduler_IsNull() => Assert.Null(From(("HOME", "/root"), ("AWS_BATCH_JOB_ID", " ")));

    [Fact]
    public void FromEnvironment_Batch_TakesJobAndAttempt() => Assert.Equal(
        new SchedulerIdentity(SchedulerKind.AwsBatch, "8f0a-1", 2, "spot-queue"),
        From(("AWS_BATCH_JOB_ID", "8f0a-1"), ("AWS_BATCH_JOB_ATTEMPT", "2"), ("AWS_BATCH_JQ_NAME", "spot-queue"), ("SLURM_JOB_ID", "9")));

    [Theory]
    [InlineData("8f0a:7", "7", "8f0a-7")]
    [InlineData("8f0a", "7", "8f0a-7")]
    public void FromEnvironment_BatchArray_IndexIsPartOfTheIdOnce(string id, string index, string expected) =>
        Assert.Equal(expected, From(("AWS_BATCH_JOB_ID", id), ("AWS_BATCH_JOB_ARRAY_INDEX", index))?.JobId);

    [Fact]
    public void FromEnvironment_BatchNodes_DifferById() => Assert.NotEqual(
        From(("AWS_BATCH_JOB_ID", "j#0"), ("AWS_BATCH_JOB_NODE_INDEX", "0"))?.JobId,
        From(("AWS_BATCH_JOB_ID", "j#1"), ("AWS_BATCH_JOB_NODE_INDEX", "1"))?.JobId);

    [Theory]
    [InlineData("garbage")]
    [InlineData("-3")]
    [InlineData("0")]
    [InlineData("99999999999999999999")]
    public void FromEnvironment_BatchAttemptUnreadable_IsTheFirst(string attempt) =>
        Assert.Equal(1, From(("AWS_BATCH_JOB_ID", "j"), ("AWS_BATCH_JOB_ATTEMPT", attempt))?.Attempt);

    [Fact]
    public void FromEnvironment_SlurmRequeued_KeepsTheIdAndCountsUp()
    {
        var first = From(("SLURM_JOB_ID", "123"), ("SLURM_JOB_PARTITION", "preempt"));
        var second = From(("SLURM_JOB_ID", "123"), ("SLURM_RESTART_COUNT", "1"));

        Assert.Equal(new SchedulerIdentity(SchedulerKind.Slurm, "123", 1, "preempt"), first);
        Assert.True(second!.Supersedes(first!));
        Assert.False(first!.Supersedes(second));
        Assert.False(first.Supersedes(first));
    }

    [Theory]
    [InlineData("SLURM_ARRAY_TASK_ID", "4", "SLURM_ARRAY_JOB_ID", "100", "100_4")]
    [InlineData("SLURM_STEP_ID", "0", "SLURM_PROCID", "3", "123.0-3")]
    [InlineData("SLURM_STEP_ID", "4294967291", "SLURM_PROCID", "0", "123")]
    [InlineData("SLURM_CLUSTER_NAME", "hpc/1", "SLURM_PROCID", "0", "hpc-1-123")]
    public void FromEnvironment_SlurmParts_TellTasksApart(string name1, string value1, string name2, string value2, string expected) =>
        Assert.Equal(expected, From(("SLURM_JOB_ID", "123"), (name1, value1), (name2, value2))?.JobId);

    [Fact]
    public void DefaultTaskKey_OtherCommandOrDirectory_IsAnotherKey()
    {
        var job = new SchedulerIdentity(SchedulerKind.Slurm, "123", 1, null);
        var keys = new[]
        {
            job.DefaultTaskKey(["a", "b"], "/work"), job.DefaultTaskKey(["a b"], "/work"), job.DefaultTaskKey(["a", "b"], "/work2"),
            job.DefaultTaskKey(["b", "a"], "/work"),
        };

        Assert.Equal(4, keys.Distinct().Count());
        Assert.All(keys, key => Assert.Matches("^slurm-123-[0-9a-f]{12}$", key));
    }

    [Fact]
    public void DefaultTaskKey_NextAttempt_IsTheSame()
    {
        var first = new SchedulerIdentity(SchedulerKind.AwsBatch, "j", 1, null);

        Assert.Equal(first.DefaultTaskKey(["x"], "/"), (first with { Attempt = 2 }).DefaultTaskKey(["x"], "/"));
    }
}
