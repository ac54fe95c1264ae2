using System.Globalization;
using System.Text;
using Floe.Agent.Control;

namespace Floe.Cli.Console;

/// <summary>What `floe top` shows of an agent: lines of text from its last answers. Draws nothing itself.</summary>
internal sealed class TopView
{
    private const int Samples = 60;
    private const string Steps = "▁▂▃▄▅▆▇█";

    private readonly Queue<long> _memory = new();
    private (DateTimeOffset At, long Millis)? _lastProcessor;
    private double? _processors;

    /// <summary>Takes an answer in and gives the lines for it.</summary>
    public IReadOnlyList<string> Lines(AgentStatus status, DateTimeOffset now)
    {
        _memory.Enqueue(status.ResidentBytes);
        while (_memory.Count > Samples)
        {
            _memory.Dequeue();
        }

        if (_lastProcessor is { } last && now > last.At)
        {
            // Processes that ended took their time along.
            _processors = Math.Max(0, status.ProcessorMillis - last.Millis) / (now - last.At).TotalMilliseconds;
        }

        _lastProcessor = (now, status.ProcessorMillis);
        string[] lines =
        [
            $"task      {status.Key}",
            $"store     {status.Store}",
            $"state     {State(status, now)}",
            $"runs      {status.Processes} processes, {Sizes.Bytes(status.ResidentBytes)} resident{(_processors is { } p ? string.Create(CultureInfo.InvariantCulture, $", {p * 100:0} % of a processor") : "")}",
            $"memory    {Spark()}",
            $"reclaim   {(status.ReclaimDeadline is { } deadline ? deadline > now ? $"this machine goes in {Span(deadline - now)}" : "the deadline has passed" : "no notice")}",
            $"snapshot  {Progress(status.Progress)}",
            $"last      {Last(status)}",
        ];
        return [.. lines.Select(Printable.Text)];
    }

    private static string State(AgentStatus status, DateTimeOffset now)
    {
        var from = status.RestoredFrom > 0 ? $", restored from snapshot {status.RestoredFrom}" : "";
        return status.RunningSince is { } since ? $"{status.State}, for {Span(now - since)} on this machine{from}" : status.State;
    }

    private static string Progress(CaptureProgress? progress)
    {
        if (progress is null)
        {
            return "none under way";
        }

        var part = progress.ExpectedBytes > 0 ? Math.Min(1, (double)progress.ReadBytes / progress.ExpectedBytes) : 0;
        var bar = new string('█', (int)(part * 20)).PadRight(20, '░');
        return string.Create(CultureInfo.InvariantCulture, $"{progress.Phase} {bar} {Sizes.Bytes(progress.ReadBytes)} read, {Sizes.Bytes(progress.SentBytes)} sent, {progress.ElapsedMillis / 1000.0:0.0} s");
    }

    private static string Last(AgentStatus status) => status.LastSnapshot is not { } s ? "none on this machine"
        : string.Create(CultureInfo.InvariantCulture, $"{s.Sequence}: {Sizes.Bytes(s.ReadBytes)}, {Sizes.Bytes(s.SentBytes)} stored, frozen {s.FrozenMillis / 1000.0:0.00} s, {s.TotalMillis / 1000.0:0.00} s in all; {status.Snapshots} here");

    /// <summary>Resident memory of the last answers, the highest as a full block.</summary>
    private string Spark()
    {
        var most = Math.Max(1, _memory.Max());
        var text = new StringBuilder();
        foreach (var bytes in _memory)
        {
            text.Append(Steps[(int)(bytes * (Steps.Length - 1) / most)]);
        }

        return text.ToString();
    }

    private static string Span(TimeSpan span) => span switch
    {
        { Ticks: < 0 } => "0 s",
        { TotalMinutes: < 1 } => $"{span.Seconds} s",
        { TotalHours: < 1 } => $"{span.Minutes} min {span.Seconds:00} s",
        _ => $"{(int)span.TotalHours} h {span.Minutes:00} min",
    };
}
