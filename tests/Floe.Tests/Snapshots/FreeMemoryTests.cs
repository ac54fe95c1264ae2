using Floe.Agent.Snapshots;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Snapshots;

public sealed class FreeMemoryTests : IDisposable
{
    private const long MiB = 1 << 20;
    private readonly ScratchFolder _root = new();

    public FreeMemoryTests() => Write("proc/meminfo", "MemTotal: 4096000 kB\nMemAvailable:    2048000 kB\n");

    public void Dispose() => _root.Dispose();

    [Fact]
    public void Bytes_NoLimit_IsWhatTheMachineHas()
    {
        Write("sys/fs/cgroup/memory.max", "max\n");
        Write("sys/fs/cgroup/memory.current", "1000\n");
        Assert.Equal(2000 * MiB, FreeMemory.Bytes(_root.Path));
    }

    [Fact]
    public void Bytes_GroupOfVersion2IsFullOfCache_CacheIsFree()
    {
        Write("sys/fs/cgroup/memory.max", $"{400 * MiB}\n");
        Write("sys/fs/cgroup/memory.current", $"{350 * MiB}\n");
        Write("sys/fs/cgroup/memory.stat", $"anon {10 * MiB}\nfile {330 * MiB}\nshmem {30 * MiB}\ninactive_anon {30 * MiB}\nactive_anon 0\ninactive_file {200 * MiB}\nactive_file {100 * MiB}\nslab_reclaimable {5 * MiB}\n");
        Assert.Equal(355 * MiB, FreeMemory.Bytes(_root.Path));
    }

    [Fact]
    public void Bytes_GroupOfVersion1IsFullOfCache_CacheIsFree()
    {
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", $"{400 * MiB}\n");
        Write("sys/fs/cgroup/memory/memory.usage_in_bytes", $"{350 * MiB}\n");
        Write("sys/fs/cgroup/memory/memory.stat", $"cache 1\ninactive_file 1\nactive_file 1\ntotal_inactive_file {200 * MiB}\ntotal_active_file {100 * MiB}\n");
        Assert.Equal(350 * MiB, FreeMemory.Bytes(_root.Path));
    }

    [Fact]
    public void Bytes_NothingCanBeRead_IsZero()
    {
        File.Delete(_root["proc/meminfo"]);
        Assert.Equal(0, FreeMemory.Bytes(_root.Path));
    }

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_root[path])!);
        File.WriteAllText(_root[path], text);
    }
}
