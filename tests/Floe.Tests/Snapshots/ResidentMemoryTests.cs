using Floe.Agent.Snapshots;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Snapshots;

public sealed class ResidentMemoryTests
{
    [Fact]
    public void Bytes_ParentAndChildShareTheirHeap_CountsItOnceAndCacheNot()
    {
        const string rollup = "Rss: 204800 kB\nPss: 108544 kB\nPss_Dirty: 1 kB\nPss_Anon:         102400 kB\nPss_File:           5120 kB\nPss_Shmem:          1024 kB\nSwap: 9 kB\nSwapPss:           2048 kB\n";
        using var proc = new ScratchFolder();
        foreach (var pid in (string[])["1000", "1001"])
        {
            File.WriteAllText(Path.Combine(proc.Folder(pid), "smaps_rollup"), rollup);
        }

        // 1002 is a zombie, whose rollup cannot be read.
        Assert.Equal(2L * (102400 + 1024 + 2048) * 1024, ResidentMemory.Bytes([1000, 1001, 1002], proc.Path));
    }

    [Theory]
    [InlineData(1000, 5, true, true)]
    [InlineData(1000, 15, true, false)] // the small one's are little enough to be read, but too many to be counted twice
    [InlineData(1000, 900, false, false)]
    public void LiesInOneProcess_ByTheCounters(int largeMib, int smallMib, bool isInOne, bool isCounted)
    {
        using var proc = new ScratchFolder();
        foreach (var (pid, mib) in ((string, int)[])[("1000", largeMib), ("1001", smallMib)])
        {
            File.WriteAllText(Path.Combine(proc.Folder(pid), "status"), $"Name:\tx\nVmRSS:\t 9 kB\nRssAnon:\t  {(mib * 1024) - 300} kB\nRssFile:\t  77 kB\nRssShmem:\t  200 kB\nVmSwap:\t  100 kB\n");
            File.WriteAllText(proc[$"{pid}/smaps_rollup"], "Pss_Anon:  7 kB\n");
        }

        // A zombie has a state and no memory.
        File.WriteAllText(Path.Combine(proc.Folder("1002"), "status"), "Name:\tz\nState:\tZ\n");
        Assert.Equal(isInOne, ResidentMemory.LiesInOneProcess([1000, 1001, 1002], proc.Path));
        Assert.Equal(isCounted ? (largeMib + smallMib) * (1L << 20) : 2 * 7 * 1024, ResidentMemory.Bytes([1000, 1001, 1002], proc.Path));
    }

    [Fact]
    public void Bytes_OfThisProcess_IsSomething() => Assert.InRange(ResidentMemory.Bytes([Environment.ProcessId]), 1 << 20, 1L << 40);
}
