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

    [Fact]
    public void Bytes_OfThisProcess_IsSomething() => Assert.InRange(ResidentMemory.Bytes([Environment.ProcessId]), 1 << 20, 1L << 40);
}
