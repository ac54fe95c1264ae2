using System.Globalization;

namespace Floe.FileSystem.Tests.Model;

/// <summary>How many times as many random sequences as `make check` runs: `make soak-filesystem` sets FLOE_SOAK.</summary>
internal static class Soak
{
    public static int Factor { get; } = int.Parse(Environment.GetEnvironmentVariable("FLOE_SOAK") ?? "1", CultureInfo.InvariantCulture);
}
