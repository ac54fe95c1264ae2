using System.Globalization;
using System.Text;
using Floe.Operations.Planning;

namespace Floe.Cli.Console;

/// <summary>Memory against guaranteed bandwidth, both logarithmic, with the region where everything resident can be sent in time.</summary>
internal static class PlanChart
{
    private const int Width = 64;
    private const int Height = 16;
    private static readonly double[] s_gbps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 25, 50, 100, 200, 400, 800, 1600, 3200];

    public static string Draw(Plan plan)
    {
        var points = plan.Types.Where(e => e.BaselineGbps > 0).ToList();
        var (leftGbps, rightGbps) = Bounds(points.Select(e => e.BaselineGbps), 0.5, 100);
        var (lowGiB, highGiB) = Bounds(points.Select(e => e.ResidentGiB), 4, 512);
        var request = plan.Assumptions;
        var cells = new char[Height, Width];
        for (var row = 0; row < Height; row++)
        {
            var gib = At(lowGiB, highGiB, (Height - 1 - row) / (Height - 1.0));
            for (var column = 0; column < Width; column++)
            {
                var gbps = Math.Min(At(leftGbps, rightGbps, column / (Width - 1.0)), Planner.FlowGbps * request.Connections);
                var seconds = gib * Planner.GigabitsPerGiB / (gbps * request.Efficiency) / request.Compressibility;
                cells[row, column] = seconds <= plan.BudgetSeconds ? '·' : ' ';
            }
        }

        foreach (var point in points.AsEnumerable().Reverse())
        {
            var column = Place(leftGbps, rightGbps, point.BaselineGbps, Width);
            var row = Height - 1 - Place(lowGiB, highGiB, point.ResidentGiB, Height);
            cells[row, column] = point.Verdict == Verdict.Fits ? '●' : '○';
        }

        var labels = Powers(lowGiB, highGiB).ToLookup(gib => Height - 1 - Place(lowGiB, highGiB, gib, Height));
        var text = new StringBuilder().AppendLine("   GiB");
        for (var row = 0; row < Height; row++)
        {
            var label = labels[row].Select(Round).FirstOrDefault("");
            text.Append(label.PadLeft(6)).Append(label.Length > 0 ? " ┤" : " │");
            for (var column = 0; column < Width; column++)
            {
                text.Append(cells[row, column]);
            }

            text.AppendLine();
        }

        var line = new char[Width];
        var axis = new char[Width + 12];
        Array.Fill(line, '─');
        Array.Fill(axis, ' ');
        foreach (var gbps in s_gbps.Where(g => g >= leftGbps && g <= rightGbps))
        {
            var (column, label) = (Place(leftGbps, rightGbps, gbps, Width), Round(gbps));
            line[column] = '┬';
            label.AsSpan().CopyTo(axis.AsSpan(8 + column - (label.Length / 2)));
        }

        text.Append("       └").Append(line).AppendLine();
        return text.Append(new string(axis).TrimEnd()).AppendLine(" Gbps")
            .Append(string.Create(CultureInfo.InvariantCulture, $"        · everything sent in {plan.BudgetSeconds:0} s   ● fits   ○ does not")).ToString();
    }

    private static (double Low, double High) Bounds(IEnumerable<double> values, double low, double high)
    {
        var all = values.Append(low).Append(high).ToList();
        return (all.Min(), all.Max());
    }

    /// <summary>As memory is sold; every second one where there are many.</summary>
    private static IEnumerable<double> Powers(double low, double high)
    {
        var step = Math.Log2(high / low) > 8 ? 4 : 2;
        for (var gib = Math.Pow(2, Math.Ceiling(Math.Log2(low))); gib <= high; gib *= step)
        {
            yield return gib;
        }
    }

    private static double At(double low, double high, double part) => low * Math.Pow(high / low, part);

    private static int Place(double low, double high, double value, int cells) =>
        Math.Clamp((int)Math.Round(Math.Log(value / low) / Math.Log(high / low) * (cells - 1)), 0, cells - 1);

    private static string Round(double value) => value.ToString(value < 10 ? "0.#" : "0", CultureInfo.InvariantCulture);
}
