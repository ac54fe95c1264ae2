using System.Runtime.InteropServices;
using System.Text;
using Floe.Linux;

namespace Floe.FileSystem.Tests.Model;

/// <summary>A folder of the machine, by system calls: the model, or a mount under test, whose calls run on threads of their own, never on the pool's.</summary>
internal sealed unsafe partial class LocalTree(string root, bool isMount) : ITree, IDisposable
{
    private readonly Dictionary<int, int> _open = [];

    public Task<int> OpenAsync(int slot, string path, uint flags, uint mode) => Run(() =>
    {
        const int O_CLOEXEC = 0x80000;
        fixed (byte* name = Bytes(path))
        {
            var descriptor = Interop.openat(Interop.AT_FDCWD, name, (int)flags | Interop.O_NOFOLLOW | O_CLOEXEC, mode);
            if (descriptor < 0)
            {
                return Marshal.GetLastPInvokeError();
            }

            _open[slot] = descriptor;
            return 0;
        }
    });

    public Task<int> CloseAsync(int slot) => Run(() => _open.Remove(slot, out var descriptor) ? Errno0(Interop.close(descriptor)) : Errno.EBADF);

    public Task<int> WriteAsync(int slot, long offset, byte[] data) => Run(() =>
    {
        fixed (byte* bytes = data)
        {
            var written = Interop.pwrite(_open[slot], bytes, (nuint)data.Length, offset);
            return written < 0 ? Marshal.GetLastPInvokeError() : written == data.Length ? 0 : throw new IOException("a short write");
        }
    });

    public Task<int> TruncateAsync(int slot, long size) => Run(() => Errno0(Interop.ftruncate(_open[slot], size)));

    public Task<string> ReadAsync(int slot) => Run(() =>
    {
        Interop.StatxBuffer stat;
        byte empty = 0;
        if (Interop.statx(_open[slot], &empty, Interop.AT_EMPTY_PATH, Interop.STATX_BASIC_STATS, &stat) < 0)
        {
            throw LinuxException.Last("statx");
        }

        var buffer = Contents.Rent();
        fixed (byte* bytes = buffer)
        {
            var read = Interop.pread(_open[slot], bytes, Contents.MaxBytes, 0);
            var text = read < 0
                ? $"errno {Marshal.GetLastPInvokeError()}" : $"{stat.stx_size} {(stat.stx_nlink == 0 ? "unlinked" : "named")} {Contents.Describe(buffer.AsSpan(0, (int)read))}";
            Contents.Return(buffer);
            return text;
        }
    });

    public Task<int> MakeFolderAsync(string path) => Run(() =>
    {
        fixed (byte* name = Bytes(path))
        {
            return Errno0(Interop.mkdirat(Interop.AT_FDCWD, name, 0x1ED));
        }
    });

    public Task<int> RemoveFolderAsync(string path) => Remove(path, Interop.AT_REMOVEDIR);

    public Task<int> UnlinkAsync(string path) => Remove(path, 0);

    public Task<int> RenameAsync(string from, string to) => Run(() =>
    {
        fixed (byte* source = Bytes(from), target = Bytes(to))
        {
            return Errno0(Interop.renameat(Interop.AT_FDCWD, source, Interop.AT_FDCWD, target));
        }
    });

    public Task<int> LinkAsync(string path, string target) => Run(() =>
    {
        fixed (byte* name = Bytes(path), text = Encoding.UTF8.GetBytes(target + '\0'))
        {
            return Errno0(Interop.symlinkat(text, Interop.AT_FDCWD, name));
        }
    });

    public Task<int> ChangeModeAsync(string path, uint mode) => Run(() =>
    {
        fixed (byte* name = Bytes(path))
        {
            return Errno0(Interop.fchmodat(Interop.AT_FDCWD, name, mode, 0));
        }
    });

    public Task<int> ChangeOwnerAsync(string path, uint uid, uint gid) => Run(() =>
    {
        fixed (byte* name = Bytes(path))
        {
            return Errno0(Interop.fchownat(Interop.AT_FDCWD, name, uid, gid, 0));
        }
    });

    public Task<int> SetTimesAsync(string path, long seconds, uint nanos) => Run(() =>
    {
        var time = new Interop.Timespec { tv_sec = seconds, tv_nsec = nanos };
        var times = stackalloc Interop.Timespec[] { time, time };
        fixed (byte* name = Bytes(path))
        {
            return Errno0(Interop.utimensat(Interop.AT_FDCWD, name, times, 0));
        }
    });

    public Task<int> TruncateAsync(string path, long size) => Run(() =>
    {
        fixed (byte* name = Bytes(path))
        {
            return Errno0(truncate(name, size));
        }
    });

    public Task<string> AttributesAsync(string path) => Run(() => Attributes(path));

    public Task<string> DescribeAsync(bool withAttributes) => Run(() =>
    {
        var lines = new List<string>();
        Describe(new DirectoryInfo(root), "", withAttributes, lines);
        return string.Join('\n', lines.Order(StringComparer.Ordinal));
    });

    public void Dispose()
    {
        foreach (var descriptor in _open.Values)
        {
            _ = Interop.close(descriptor);
        }

        _open.Clear();
    }

    /// <summary>A blocked call must not take a thread from those that serve the mount.</summary>
    internal static Task<T> Apart<T>(Func<T> action) => Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private Task<T> Run<T>(Func<T> action) => isMount ? Apart(action) : Task.FromResult(action());

    [LibraryImport("libc", SetLastError = true)]
    private static partial int truncate(byte* path, long length);

    private string Attributes(string path)
    {
        Interop.StatxBuffer stat;
        fixed (byte* name = Bytes(path))
        {
            return Interop.statx(Interop.AT_FDCWD, name, Interop.AT_SYMLINK_NOFOLLOW, Interop.STATX_BASIC_STATS, &stat) < 0
                ? throw LinuxException.Last("statx")
                : Contents.DescribeAttributes(stat.stx_mode, stat.stx_uid, stat.stx_gid, stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec);
        }
    }

    private void Describe(DirectoryInfo folder, string path, bool withAttributes, List<string> lines)
    {
        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            var name = path + entry.Name;
            if (entry.LinkTarget is { } target)
            {
                lines.Add($"{name} -> {target}");
                continue;
            }

            var attributes = withAttributes ? " " + Attributes(name) : "";
            if (entry is DirectoryInfo below)
            {
                lines.Add($"{name}/{attributes}");
                Describe(below, name + "/", withAttributes, lines);
            }
            else
            {
                lines.Add($"{name} {Contents.Describe(File.ReadAllBytes(entry.FullName))}{attributes}");
            }
        }
    }

    private Task<int> Remove(string path, int flags) => Run(() =>
    {
        fixed (byte* name = Bytes(path))
        {
            return Errno0(Interop.unlinkat(Interop.AT_FDCWD, name, flags));
        }
    });

    private byte[] Bytes(string path) => Encoding.UTF8.GetBytes($"{root}/{path}\0");

    private static int Errno0(int result) => result < 0 ? Marshal.GetLastPInvokeError() : 0;
}
