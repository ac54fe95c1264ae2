using Floe.FileSystem.Tests.Mounts;
using Floe.Linux;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Content;

/// <summary>A file system of so many megabytes, for a cache that is to fill it.</summary>
internal sealed class SmallDisk : IDisposable
{
    private const int MNT_DETACH = 2;

    private readonly ScratchFolder _scratch = new();

    public string Path => _scratch["disk"];

    public static async Task<SmallDisk> MakeAsync(int megabytes)
    {
        var disk = new SmallDisk();
        var (isOk, output) = await Scripts.ShellAsync(disk._scratch, $"mkdir {disk.Path} && mount -t tmpfs -o size={megabytes}m none {disk.Path}");
        Assert.True(isOk, output);
        return disk;
    }

    public void Dispose()
    {
        _ = Interop.umount2(Path, MNT_DETACH);
        _scratch.Dispose();
    }
}
