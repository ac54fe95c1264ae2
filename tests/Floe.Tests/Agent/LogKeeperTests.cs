using System.Text;
using Floe.Agent.Run;
using Xunit;

namespace Floe.Tests.Agent;

public sealed class LogKeeperTests
{
    [Fact]
    public void Read_FewLines_AllOfThem()
    {
        var log = new LogKeeper();
        log.Add("one\n");
        log.Add("two\n");
        var (text, version) = log.Read();
        Assert.Equal("one\ntwo\n", Encoding.UTF8.GetString(text));
        Assert.Equal(2, version);
    }

    [Fact]
    public void Read_MoreThanFits_FirstAndLastWithTheGapNamed()
    {
        var log = new LogKeeper();
        for (var i = 0; i < 40_000; i++)
        {
            log.Add($"line {i} {new string('.', 80)}\n");
        }

        var lines = Encoding.UTF8.GetString(log.Read().Text).Split('\n');
        Assert.StartsWith("line 0 ", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("line 39999 ", lines[^2], StringComparison.Ordinal);
        var gap = Assert.Single(lines, l => l.StartsWith('…'));
        Assert.Contains($" {40_000 - (lines.Length - 2)} lines left out", gap, StringComparison.Ordinal);
        Assert.True(log.Read().Text.Length < 1100 << 10);
    }
}
