using Floe.Agent.Trace;

namespace Floe.Operations.Tests.Trace;

/// <summary>Histories of tasks, for the tests of who reads them.</summary>
internal static class Traces
{
    public static readonly DateTimeOffset Start = new(2026, 11, 2, 8, 0, 0, TimeSpan.Zero);

    public static TraceMachine Machine(string type = "c6id.8xlarge", string zone = "eu-central-1a") => new("i-0a", type, "spot", "eu-central-1", zone);

    /// <summary>Ran 60 minutes on one machine, was snapshotted in 40 of 120 seconds, was restored in 30 s, ended after 30 minutes more.</summary>
    public static TraceDocument Survivor(string key, DateTimeOffset? at = null)
    {
        var start = at ?? Start;
        var notice = start.AddMinutes(60);
        var second = notice.AddMinutes(4);
        return new TraceDocument
        {
            Key = key,
            Store = "s3://bucket/floe",
            Command = ["bash", ".command.run"],
            WorkingDirectory = "/runs/ab/cdef",
            Attempts =
            [
                new TraceAttempt
                {
                    Id = "a",
                    Generation = 1,
                    Host = "ip-10-0-1-17",
                    Machine = Machine(),
                    Job = new TraceJob("AwsBatch", "job", 1, "work"),
                    StartedAt = start,
                    RunningAt = start,
                    EndedAt = notice.AddSeconds(41),
                    Outcome = TraceOutcome.Snapshotted,
                    ExitCode = 75,
                    Notices = [new TraceNotice("EC2 Spot", "terminate", notice, notice.AddSeconds(120))],
                    Snapshots = [Snapshot(1, notice, notice.AddSeconds(120))],
                },
                new TraceAttempt
                {
                    Id = "b",
                    Generation = 2,
                    Host = "ip-10-0-2-5",
                    Machine = Machine("r6id.4xlarge", "eu-central-1b"),
                    StartedAt = second,
                    RunningAt = second.AddSeconds(30),
                    EndedAt = second.AddSeconds(30).AddMinutes(30),
                    Outcome = TraceOutcome.Exited,
                    ExitCode = 0,
                    Restores = [new TraceRestore(1, second, 30_000, 58_000_000_000, null)],
                },
            ],
        };
    }

    public static TraceSnapshot Snapshot(long seq, DateTimeOffset at, DateTimeOffset? deadline, long millis = 40_000) => new()
    {
        Seq = seq,
        Trigger = deadline is null ? TraceTrigger.Request : TraceTrigger.Notice,
        StartedAt = at,
        Deadline = deadline,
        TotalMillis = millis,
        FrozenMillis = millis - 200,
        Processes = 11,
        RawBytes = 58_000_000_000,
        ZeroBytes = 9_000_000_000,
        DedupBytes = 2_000_000_000,
        NewBytes = 47_000_000_000,
        StoredBytes = 12_000_000_000,
        Phases = [new("freeze", 0, 190, 0), new("capture", 190, millis - 2000, 58_000_000_000), new("upload", 700, millis - 1200, 12_000_000_000), new("commit", millis - 1810, 1500, 0)],
    };
}
