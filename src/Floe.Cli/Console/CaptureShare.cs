using Floe.Agent.Control;

namespace Floe.Cli.Console;

/// <summary>
/// How much of a snapshot is done, for a bar: never less than was shown before, though what is expected grows when the task turns out to have more, and below
/// 100 until all that is expected was read. Nothing is known of the whole while the task is being frozen.
/// </summary>
internal sealed class CaptureShare
{
    private double _shown;

    /// <summary>0 to 100.</summary>
    public double Percent(CaptureProgress progress)
    {
        var now = progress.ExpectedBytes > 0 ? Math.Min(100, 100.0 * progress.ReadBytes / progress.ExpectedBytes) : 0;
        return _shown = Math.Max(_shown, now);
    }
}
